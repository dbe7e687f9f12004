"""Kaczmarz in the order of time, in feature space or in a reproducing kernel Hilbert space."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.kernels.choice import AnyKernel
from iclbench.kernels.linear import LinearKernel
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.prefix_attention import limit_predictions


class Kaczmarz(Method):
    """One pass over the pairs in the order of time, each one interpolated as it comes.

    f_{s+1} = f_s + (y_s - f_s(x_s)) k(., x_s) / k(x_s, x_s) from f_0 = 0, and f_t(x_t) predicts
    y_t. With the linear kernel f_s(x) = W_s x and W_{s+1} = W_s + (y_s - W_s x_s) x_s^T / |x_s|^2.
    With K the Gram matrix and tril its lower triangle, all predictions of a prompt together are
    strict_tril(K) tril(K)^{-1} Y: one triangular solve. It is the limit of infinite depth of causal
    kernel descent (Sander & Peyré 2024, arXiv 2410.03011, section 4). A pair with
    k(x_s, x_s) = 0 is passed over. Works in float64, whatever the inputs.
    """

    kind: Literal["kaczmarz"] = Field(description="one pass over the pairs in the order of time")
    kernel: AnyKernel = Field(
        default=LinearKernel(kind="linear"), description="kernel of the space in which f is sought"
    )

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        x, y = inputs.double(), outputs.double()

        def rows(now: slice) -> tuple[torch.Tensor, torch.Tensor]:
            gram = self.kernel.gram(x[:, now], x[:, : now.stop])
            return gram.tril(now.start), gram.tril(now.start - 1)

        return limit_predictions(rows, y)[None].to(inputs.dtype)

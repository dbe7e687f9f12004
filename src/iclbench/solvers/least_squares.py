"""Least squares of minimum norm on every prefix."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method


class LeastSquares(Method):
    """w_t = X_t^+ Y_t, of minimum norm among the minimisers of |X w - Y|^2 on the pairs before t.

    Each prefix has its own singular value decomposition: the moments X^T X lose half of the digits,
    and recursions carry the error of their worst prefix, the one that first spans the space, to all
    later ones. Singular values below max(t, p) times the machine epsilon of the inputs, relative to
    the largest, count as zero. Works in float64, whatever the inputs.

    Source: the baseline of Garg et al. 2022 (arXiv 2208.01066) and Fu et al. 2024
    (arXiv 2310.17086), both of which predict 0 before the first pair.
    """

    kind: Literal["least_squares"] = Field(
        description="least squares of minimum norm on the pairs seen"
    )

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        _, time, p = inputs.shape
        epsilon = torch.finfo(inputs.dtype).eps
        x, y = inputs.double(), outputs.double()
        # The decomposition refuses numbers that are not finite: such a prompt is nan from there on.
        finite = x.isfinite()
        predictions = [torch.zeros_like(y[:, :1])]
        for t in range(1, time):
            seen = torch.where(finite[:, :t], x[:, :t], 0.0)
            inverse = torch.linalg.pinv(seen, rtol=max(t, p) * epsilon)
            known = finite[:, :t].all(dim=-1, keepdim=True).all(dim=-2, keepdim=True)
            weights = torch.where(known, inverse @ y[:, :t], torch.nan)
            predictions.append(x[:, t : t + 1] @ weights)
        return torch.cat(predictions, dim=1)[None].to(inputs.dtype)

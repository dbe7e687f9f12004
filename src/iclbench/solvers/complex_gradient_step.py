"""One gradient step on complex sequences, with the step that is best over all prefixes."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.method import Method


class ComplexGradientStep(Method):
    """Predict W_1 x_t with W_1 = eta sum_{s<t} y_s x_s^*, one step from 0 over complex matrices.

    Complex coordinates come as real pairs (re, im). A step over real matrices sees Re <x_s, x_t>
    alone, this one the imaginary part as well. With iid coordinates uniform on the unit circle,
    y = diag(lambda) x, the step

        eta = 3 / (2 T + 3 d - 4)

    is best for the squared errors summed over the T - 1 = M positions of a prompt that have seen a
    pair, which it brings to d (M - eta M (M + 1) / 2) (derived from Sander et al. 2024, arXiv
    2402.05787).
    """

    kind: Literal["complex_gradient_step"] = Field(
        description="one gradient step from 0 over complex matrices"
    )
    step: float | Literal["best"] = Field(
        default="best", description="eta, or best: 3 / (2 T + 3 d - 4)"
    )

    @property
    @override
    def needs(self) -> frozenset[Fact]:
        return frozenset({"complex coordinates"})

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        x, y = (torch.view_as_complex(_pairs(rows)) for rows in (inputs, outputs))
        length, d = x.shape[1:]
        eta = 3 / (2 * length + 3 * d - 4) if self.step == "best" else self.step
        prediction = eta * (x @ x.mH).tril(-1) @ y
        return torch.view_as_real(prediction).reshape(1, *outputs.shape)


def _pairs(rows: Float[torch.Tensor, "batch time p"]) -> Float[torch.Tensor, "batch time d 2"]:
    return rows.unflatten(-1, (-1, 2)).contiguous()

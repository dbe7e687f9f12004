"""Kaczmarz on pairs drawn at random from every prefix."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field

from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.prefix_iterations import Iterations
from iclbench.solvers.prefixes import before, reciprocal
from iclbench.streams import stream


class RandomisedKaczmarz(Method):
    """Steps on pairs of each prefix drawn with probability |x_s|^2 / sum_{r<t} |x_r|^2.

    W <- W + (y_s - W x_s) x_s^T / |x_s|^2 from W = 0 (Strohmer & Vershynin 2009). The same uniform
    numbers choose the pairs of every prompt and prefix, by the inverse of the distribution
    function.
    """

    kind: Literal["kaczmarz_randomised"] = Field(
        description="steps on pairs of each prefix drawn with probability in |x|^2"
    )
    iterations: Iterations = Field(
        default=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        description="numbers of steps reported, one pair each",
    )
    seed: int = Field(default=0, ge=0, description="of the stream that draws the pairs")

    @property
    def iterates(self) -> tuple[int, ...]:
        """The steps."""
        return self.iterations

    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        """Predict y_t from the pairs before t after every reported step; 0 before the first."""
        squares = inputs.square().sum(-1)
        total = before(squares)
        cumulative = squares.cumsum(1)
        last_seen = torch.arange(-1, inputs.shape[1] - 1, device=inputs.device).clamp_min(0)
        step = inputs * reciprocal(squares).unsqueeze(-1)
        # The first prefix has no pair to draw: its step is masked.
        step_of = step.unsqueeze(2)
        return torch.stack([])

"""Kaczmarz on pairs drawn at random from every prefix."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

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
    @override
    def iterates(self) -> tuple[int, ...]:
        return self.iterations

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        squares = inputs.square().sum(-1)
        cumulative = squares.cumsum(1)
        total = before(squares.unsqueeze(-1)).squeeze(-1)
        step = inputs * reciprocal(squares).unsqueeze(-1)
        batch = torch.arange(len(inputs), device=inputs.device).unsqueeze(1)
        time = torch.arange(inputs.shape[1], device=inputs.device)
        weights = inputs.new_zeros(*outputs.shape, inputs.shape[2])
        predictions = []
        uniform = stream(self.kind, self.seed).random(self.iterations[-1])
        for n in range(self.iterations[-1] + 1):
            if n in self.iterations:
                predictions.append((weights @ inputs.unsqueeze(-1)).squeeze(-1))
            if n < self.iterations[-1]:
                drawn = torch.searchsorted(cumulative, total * float(uniform[n]), right=True)
                # Rounding may reach the end of the prefix, and the first prefix has no pair.
                drawn = drawn.minimum(time - 1).clamp_min(0)
                x, y = inputs[batch, drawn].unsqueeze(-1), outputs[batch, drawn]
                residual = (y - (weights @ x).squeeze(-1)) * (time > 0).unsqueeze(-1)
                weights = weights + residual.unsqueeze(-1) * step[batch, drawn].unsqueeze(-2)
        return torch.stack(predictions)

"""Kaczmarz on pairs drawn at random from every prefix."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.prefix_iterations import Iterations
from iclbench.solvers.prefixes import before, reciprocal
from iclbench.streams import stream

PREFIXES, WEIGHTS = 2**12, 2**16
"""How many prefixes, and weights of theirs, are iterated at a time: about what a cache holds."""


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
        _, time, p = inputs.shape
        size = max(1, min(PREFIXES, WEIGHTS // (p * outputs.shape[-1])) // time)
        parts = zip(inputs.split(size), outputs.split(size), strict=True)
        return torch.cat([self._iterate(*part) for part in parts], dim=1)

    def _iterate(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        p, q = inputs.shape[-1], outputs.shape[-1]
        inverse = reciprocal(inputs.square().sum(-1, keepdim=True))
        pairs = torch.cat((inputs, outputs, inverse), dim=-1).flatten(0, 1)
        pairs = torch.nn.functional.pad(pairs, (0, 0, 0, 1))  # what an empty prefix draws
        drawn = self._drawn(inputs)
        # With prefixes innermost a step is a few operations on contiguous memory.
        query = inputs.flatten(0, 1).T.contiguous()
        weights = query.new_zeros(q, *query.shape)
        predictions = []
        for n in range(self.iterations[-1] + 1):
            if n in self.iterations:
                predictions.append((weights * query).sum(1).T.unflatten(0, inputs.shape[:2]))
            if n < self.iterations[-1]:
                x, y, step = pairs.index_select(0, drawn[n]).T.contiguous().split((p, q, 1))
                residual = y - (weights * x).sum(1)
                weights.addcmul_((step * residual).unsqueeze(1), x)
        return torch.stack(predictions)

    def _drawn(
        self, inputs: Float[torch.Tensor, "batch time p"]
    ) -> Int[torch.Tensor, "step prefix"]:
        """Return the pairs that the prefixes of all prompts draw, counted through all prompts."""
        batch, time, _ = inputs.shape
        squares = inputs.square().sum(-1)
        total = before(squares.unsqueeze(-1))
        # Sorted numbers are found faster.
        uniform, order = total.new_tensor(
            stream(self.kind, self.seed).random(self.iterations[-1])
        ).sort()
        sought = (total * uniform).flatten(1)
        drawn = torch.searchsorted(squares.cumsum(1), sought, right=True).unflatten(1, (time, -1))
        # Rounding may reach the end of the prefix.
        drawn = drawn.minimum(torch.arange(time, device=inputs.device).unsqueeze(-1) - 1)
        drawn += torch.arange(0, batch * time, time, device=inputs.device)[:, None, None]
        drawn[:, 0] = batch * time
        return drawn.flatten(0, 1).T[order.argsort()]

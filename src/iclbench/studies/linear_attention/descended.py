"""A two-layer network trained by gradient descent on every prefix."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.streams import stream
from iclbench.studies.linear_attention.fitted import Fitted


class DescendedNetwork(Fitted):
    """f(x) = <v, relu(W x + b)> + c, trained by Adam on the mean squared error of the pairs seen.

    Weights and biases begin uniform within 1 / sqrt(inputs of the layer), others for every prompt
    and prefix, and the same in every run, whatever its seed. A step sees ``batch`` pairs, drawn
    without replacement, or all if there are fewer. Trained in float32.

    Source: a baseline of Garg et al. 2022 (arXiv 2208.01066): 100 steps at 5e-3, batches of 100.
    """

    kind: Literal["descended_network"] = Field(
        description="a two-layer network trained by Adam on the pairs seen"
    )
    hidden: int = Field(default=100, ge=1, le=4096, description="h, number of hidden units")
    steps: int = Field(default=100, ge=1, le=10**6, description="steps of Adam")
    learning_rate: float = Field(default=5e-3, gt=0, le=10, description="Adam's step size")
    batch: int = Field(default=100, ge=1, le=10**6, description="pairs a step")

    @override
    def fit(
        self,
        inputs: Float[torch.Tensor, "batch seen p"],
        outputs: Float[torch.Tensor, "batch seen q"],
        queries: Float[torch.Tensor, "batch p"],
    ) -> Float[torch.Tensor, "batch q"]:
        prompts, seen, p = inputs.shape
        rng = stream("descended network", "pairs", step=seen)
        x, y = inputs.float(), outputs.float()
        with torch.enable_grad():
            state = [
                part.requires_grad_() for part in self._start(p, outputs.shape[2], prompts, seen)
            ]
            optimiser = torch.optim.Adam(state, lr=self.learning_rate)
            for _ in range(self.steps):
                chosen = slice(None)
                if seen > self.batch:
                    chosen = torch.from_numpy(rng.permutation(seen)[: self.batch])
                error = _network(state, x[:, chosen]) - y[:, chosen]
                # Each prompt has its own loss and its own parameters, so that the sum serves all.
                optimiser.zero_grad()
                error.square().mean((1, 2)).sum().backward()
                optimiser.step()
        return _network(state, queries.float()[:, None])[:, 0].detach().double()

    def _start(self, p: int, q: int, prompts: int, seen: int) -> list[torch.Tensor]:
        """Draw W, b, v and c of every prompt, which do not depend on how many follow."""
        shapes = {
            "W": (p, (p, self.hidden)),
            "b": (p, (1, self.hidden)),
            "v": (self.hidden, (self.hidden, q)),
            "c": (self.hidden, (1, q)),
        }
        state = []
        for name, (fan, shape) in shapes.items():
            rng = stream("descended network", name, step=seen)
            drawn = rng.random((prompts, *shape), dtype=np.float32)
            state.append(torch.from_numpy((2 * drawn - 1) / np.float32(fan**0.5)))
        return state


def _network(
    state: list[torch.Tensor], x: Float[torch.Tensor, "batch n p"]
) -> Float[torch.Tensor, "batch n q"]:
    W, b, V, c = state
    return torch.baddbmm(c, torch.baddbmm(b, x, W).relu(), V)

"""In-context regression of a two-layer relu network."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from iclbench.capabilities import Fact
from iclbench.tasks.family import Family
from iclbench.tasks.prompts import Prompts


class ReluNetwork(Family):
    """y_t = sqrt(2/h) <W_2, relu(W_1 x_t)> with W_1, W_2 iid N(0, 1) and x_t ~ N(0, I).

    Drawn, in this order: W_1, W_2, x. Truth: ``W1`` (batch, h, d), ``W2`` (batch, h).
    Source: Garg et al. 2022 (arXiv 2208.01066), two-layer networks, h = 100.
    """

    kind: Literal["relu_network"] = Field(
        description="y_t = sqrt(2/h) <W_2, relu(W_1 x_t)>, a random two-layer network"
    )
    dim: int = Field(ge=1, le=4096, description="d, dimension of the inputs")
    hidden: int = Field(default=100, ge=1, le=4096, description="h, number of hidden units")

    @property
    def input_dim(self) -> int:
        """The dimension d."""
        return self.dim

    @property
    def output_dim(self) -> int:
        """1."""
        return 1

    @property
    def facts(self) -> frozenset[Fact]:
        """Scalar outputs without noise."""
        return frozenset({"scalar outputs", "noise-free"})

    @property
    def output_power(self) -> float:
        """d, as in linear regression: E y^2 = 2 E relu(<w, x>)^2 = E |x|^2."""
        return float(self.dim)

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw the network and the inputs of every prompt."""
        W1 = rng.standard_normal((batch, self.hidden, self.dim))
        W2 = rng.standard_normal((batch, self.hidden))
        inputs = rng.standard_normal((batch, length, self.dim))
        outputs = np.maximum(inputs @ W1.mT, 0) @ W2[..., None] * np.sqrt(2 / self.hidden)
        truth = {"W1": W1, "W2": W2}
        return Prompts(inputs=inputs, outputs=outputs, clean=outputs, truth=truth)

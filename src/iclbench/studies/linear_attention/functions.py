"""Two more laws of pairs that Garg et al. train on: squares of the inputs, and decision trees."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.capabilities import Fact
from iclbench.tasks.family import Family
from iclbench.tasks.prompts import Prompts


class ScalarFunction(Family):
    """y_t = f(x_t) without noise, with x_t ~ N(0, I) and f drawn for every prompt."""

    dim: int = Field(ge=1, le=4096, description="d, dimension of the inputs")

    @property
    @override
    def input_dim(self) -> int:
        """The dimension d."""
        return self.dim

    @property
    @override
    def output_dim(self) -> int:
        """1."""
        return 1

    @property
    @override
    def facts(self) -> frozenset[Fact]:
        """Scalar outputs without noise."""
        return frozenset({"scalar outputs", "noise-free"})


class Quadratic(ScalarFunction):
    """y_t = sum_i w_i x_{t,i}^2 / sqrt(3) with w ~ N(0, I).

    Drawn, in this order: w, x. Truth: ``w`` (batch, d).
    Source: Garg et al. 2022 (arXiv 2208.01066), quadratic functions.
    """

    kind: Literal["quadratic"] = Field(description="y_t = sum_i w_i x_i^2 / sqrt(3), w ~ N(0, I)")

    @property
    @override
    def output_power(self) -> float:
        """d, as in linear regression: E x_i^4 = 3."""
        return float(self.dim)

    @override
    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw w and the inputs of every prompt."""
        w = rng.standard_normal((batch, self.dim))
        inputs = rng.standard_normal((batch, length, self.dim))
        outputs = inputs**2 @ w[..., None] / np.sqrt(3)
        return Prompts(inputs=inputs, outputs=outputs, clean=outputs, truth={"w": w})


class DecisionTree(ScalarFunction):
    """y_t is the number at the leaf that x_t comes to in a full binary tree.

    A node asks for the sign of one coordinate, drawn uniformly and independently of its ancestors;
    positive goes to the right. Leaves hold iid N(0, 1).

    Drawn, in this order: coordinates, leaves, x. Truth: ``coordinates`` (batch, 2^depth - 1), node
    n having the children 2n + 1 and 2n + 2, and ``leaves`` (batch, 2^depth), from left to right.
    Source: Garg et al. 2022 (arXiv 2208.01066), decision trees of depth 4.
    """

    kind: Literal["decision_tree"] = Field(
        description="a full binary tree on signs of coordinates, with N(0, 1) at its leaves"
    )
    depth: int = Field(default=4, ge=1, le=16, description="questions on the way to a leaf")

    @property
    @override
    def output_power(self) -> float:
        """1, the variance of a leaf."""
        return 1.0

    @override
    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw the tree and the inputs of every prompt."""
        inner = 2**self.depth - 1
        coordinates = rng.integers(self.dim, size=(batch, inner))
        leaves = rng.standard_normal((batch, inner + 1))
        inputs = rng.standard_normal((batch, length, self.dim))
        node = np.zeros((batch, length), dtype=int)
        for _ in range(self.depth):
            asked = np.take_along_axis(coordinates, node, axis=1)
            answer = np.take_along_axis(inputs, asked[..., None], axis=2)[..., 0] > 0
            node = 2 * node + 1 + answer
        outputs: Float[np.ndarray, "batch time 1"]
        outputs = np.take_along_axis(leaves, node - inner, axis=1)[..., None]
        truth = {"coordinates": coordinates, "leaves": leaves}
        return Prompts(inputs=inputs, outputs=outputs, clean=outputs, truth=truth)

"""Associative recall: keys that come back, each with its value."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.capabilities import Fact
from iclbench.tasks.draws import unit_vectors
from iclbench.tasks.family import Family
from iclbench.tasks.prompts import Prompts


class Recall(Family):
    """y_t = value of key x_t: the keys once each, then keys drawn uniformly, again and again.

    Keys are iid uniform on the unit sphere (distinct with probability one, and in random order),
    values iid N(0, I), both drawn for every prompt. From position ``keys`` on, every answer is in
    the prompt. Our choice of law.

    Drawn, in this order: keys, values, choices. Truth: ``keys`` (batch, keys, d), ``values``
    (batch, keys, value_dim) and ``choices`` (batch, time), the number of the key at each position.
    """

    kind: Literal["recall"] = Field(description="every key once, then keys again, each its value")
    dim: int = Field(
        ge=2, le=4096, description="d, dimension of the keys; at 1 keys would coincide"
    )
    keys: int = Field(ge=2, le=100_000, description="number of keys in a prompt")
    value_dim: int = Field(default=1, ge=1, le=4096, description="dimension of the values")

    @property
    def input_dim(self) -> int:
        """The dimension d of the keys."""
        return self.dim

    @property
    def output_dim(self) -> int:
        """The dimension of the values."""
        return self.value_dim

    @property
    def facts(self) -> frozenset[Fact]:
        """Unit-norm inputs without noise; scalar outputs if ``value_dim`` is 1."""
        facts = frozenset[Fact]({"unit-norm inputs", "noise-free"})
        return facts | frozenset[Fact]({"scalar outputs"} if self.value_dim == 1 else ())

    @property
    def output_power(self) -> float:
        """1, the variance of a value."""
        return 1.0

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw the keys, their values and their order in every prompt."""
        keys = unit_vectors(rng, batch, self.keys, self.dim)
        values = rng.standard_normal((batch, self.keys, self.value_dim))
        choices = rng.integers(self.keys, size=(batch, length))
        choices[:, : self.keys] = np.arange(self.keys)[:length]
        outputs = np.take_along_axis(values, choices[..., None], axis=1)
        return Prompts(
            inputs=np.take_along_axis(keys, choices[..., None], axis=1),
            outputs=outputs,
            clean=outputs,
            truth={"keys": keys, "values": values, "choices": choices},
        )

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"]:
        """Return the value that was seen with this key, or 0, its prior mean, for a new key."""
        inputs, outputs = prompts.inputs, prompts.outputs
        predictions = np.zeros_like(outputs)
        rows = np.arange(len(inputs))
        for t in range(1, inputs.shape[1]):
            same = (inputs[:, :t] == inputs[:, t : t + 1]).all(-1)
            seen = outputs[rows, same.argmax(-1)]
            predictions[:, t] = np.where(same.any(-1)[:, None], seen, 0)
        return predictions

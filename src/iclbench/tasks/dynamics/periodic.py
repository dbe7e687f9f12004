"""Periodic sequences of points on the sphere."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.tasks.draws import unit_vectors
from iclbench.tasks.dynamics.dynamics import noise_free_prompts
from iclbench.tasks.dynamics.sphere import SphereDynamics
from iclbench.tasks.prompts import Prompts


class Periodic(SphereDynamics):
    """s_{t+period} = s_t, with ``period`` points iid uniform on the unit sphere of R^d.

    Drawn: the points, which are distinct with probability one. Truth: ``points`` (batch, period, d)
    Source: Sander & Peyré 2024 (arXiv 2410.03011), Assumption 2.
    """

    kind: Literal["periodic"] = Field(description="a cycle of points iid uniform on the sphere")
    dim: int = Field(
        ge=2, le=4096, description="d, dimension of the state; at 1 points would coincide"
    )
    period: int = Field(ge=2, le=100_000, description="tau, the number of points in the cycle")

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw the points of every prompt."""
        points = unit_vectors(rng, batch, self.period, self.dim)
        states = points[:, np.arange(length + 1) % self.period]
        return noise_free_prompts(states, {"points": points})

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"]:
        """Return s_{t+1-period} where it was seen, else 0, the mean of a point not seen so far."""
        predictions = np.zeros_like(prompts.outputs)
        first = self.period - 1
        predictions[:, first:] = prompts.inputs[:, : max(0, prompts.inputs.shape[1] - first)]
        return predictions

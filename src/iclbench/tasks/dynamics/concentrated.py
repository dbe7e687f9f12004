"""A rotation of the plane by a small angle."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.capabilities import Fact
from iclbench.tasks.dynamics.circle import circle_forecast, circle_states
from iclbench.tasks.dynamics.dynamics import Dynamics, noise_free_prompts
from iclbench.tasks.prompts import Prompts


class Concentrated(Dynamics):
    """s_{t+1} = lambda s_t in C with lambda = exp(i theta / mu), theta ~ U[0, 2 pi), s_1 = 1.

    The larger mu, the closer lambda is to 1. The state is carried as the real pair (re, im).

    Drawn: theta. Truth: ``angles`` (batch, 1), the argument theta / mu of lambda.
    Source: Sander et al. 2024 (arXiv 2402.05787), Fig. 6.
    """

    kind: Literal["concentrated"] = Field(
        description="s_{t+1} = exp(i theta / mu) s_t in C, theta uniform on [0, 2 pi)"
    )
    mu: float = Field(ge=1, le=1e6, description="how close lambda is to 1 (mu = 1: uniform)")

    @property
    def input_dim(self) -> int:
        """2: one complex coordinate."""
        return 2

    @property
    def facts(self) -> frozenset[Fact]:
        """A sequence of complex unit numbers without noise."""
        return super().facts | frozenset[Fact]({"complex coordinates", "unit-norm inputs"})

    @property
    def output_power(self) -> float:
        """1/2, as |s_t| = 1."""
        return 0.5

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw theta for every prompt."""
        angles = rng.uniform(0, 2 * np.pi, (batch, 1)) / self.mu
        return noise_free_prompts(circle_states(angles, length), {"angles": angles})

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"]:
        """Return E[lambda] s_1 at the first position and lambda s_t, known, from then on.

        E[lambda] = mu (exp(2 pi i / mu) - 1) / (2 pi i), written below without cancellation.
        """
        return circle_forecast(
            prompts.inputs, complex(np.exp(1j * np.pi / self.mu) * np.sinc(1 / self.mu))
        )

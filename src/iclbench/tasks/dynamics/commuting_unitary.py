"""Linear dynamics under commuting unitary matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.capabilities import Fact
from iclbench.tasks.dynamics.circle import circle_forecast, circle_states
from iclbench.tasks.dynamics.dynamics import Dynamics, noise_free_prompts
from iclbench.tasks.prompts import Prompts


class CommutingUnitary(Dynamics):
    """s_{t+1} = diag(lambda) s_t in C^d, lambda_i iid uniform on the unit circle, s_1 = (1, …, 1).

    A complex coordinate is carried as the real pair (re, im), neighbours in that order, so
    p = 2 d and |s_t|^2 = d.

    Drawn: the angles. Truth: ``angles`` (batch, d), the arguments of lambda.
    Source: Sander et al. 2024 (arXiv 2402.05787), commuting unitary case.
    """

    kind: Literal["commuting_unitary"] = Field(
        description="s_{t+1} = diag(lambda) s_t in C^d, lambda_i iid uniform on the unit circle"
    )
    dim: int = Field(ge=1, le=2048, description="d, complex dimension of the state")

    @property
    def input_dim(self) -> int:
        """2 d: a complex coordinate counts twice."""
        return 2 * self.dim

    @property
    def facts(self) -> frozenset[Fact]:
        """A sequence of complex states without noise."""
        return super().facts | frozenset[Fact]({"complex coordinates"})

    @property
    def output_power(self) -> float:
        """1/2, as |s_t|^2 = d = p/2."""
        return 0.5

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw the angles for every prompt."""
        angles = rng.uniform(0, 2 * np.pi, (batch, self.dim))
        return noise_free_prompts(circle_states(angles, length), {"angles": angles})

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"]:
        """Return 0 at the first position and lambda s_t, which is known, from then on."""
        return circle_forecast(prompts.inputs)

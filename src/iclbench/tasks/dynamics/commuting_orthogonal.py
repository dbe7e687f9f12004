"""Linear dynamics under commuting orthogonal matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.tasks.dynamics.circle import circle_forecast, circle_states
from iclbench.tasks.dynamics.dynamics import Dynamics, noise_free_prompts
from iclbench.tasks.prompts import Prompts


class CommutingOrthogonal(Dynamics):
    """s_{t+1} = W s_t with W = blockdiag of d/2 plane rotations, angles iid uniform on [0, 2 pi).

    The paper writes W = diag(mu_1, conj mu_1, mu_2, conj mu_2, …) and s_1 = (1, …, 1) in C^d. There
    every state consists of conjugate pairs (z, conj z), on which the unitary map
    (z, conj z) -> sqrt(2) (Re z, Im z) is real, preserves inner products and turns
    diag(mu, conj mu) into the rotation by arg mu. We carry that real form, in which
    s_1 = sqrt(2) (1, 0, 1, 0, …) and |s_t|^2 = d; predictions and errors are the paper's. What is
    diagonal in the paper's basis is a 2 × 2 block [[a + b, i(a - b)], [i(b - a), a + b]] / 2 here:
    a model with diagonal complex weights reads ``angles`` and builds lambda itself.

    Drawn: the angles. Truth: ``angles`` (batch, d/2), the arguments of mu.
    Source: Sander et al. 2024 (arXiv 2402.05787), commuting orthogonal case.
    """

    kind: Literal["commuting_orthogonal"] = Field(
        description="s_{t+1} = W s_t, W block-diagonal of d/2 rotations by iid uniform angles"
    )
    dim: int = Field(ge=2, le=4096, multiple_of=2, description="d, even dimension of the state")

    @property
    def input_dim(self) -> int:
        """The dimension d of the state."""
        return self.dim

    @property
    def output_power(self) -> float:
        """1, as |s_t|^2 = d."""
        return 1.0

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw the angles for every prompt."""
        angles = rng.uniform(0, 2 * np.pi, (batch, self.dim // 2))
        states = np.sqrt(2) * circle_states(angles, length)
        return noise_free_prompts(states, {"angles": angles})

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"]:
        """Return 0 at the first position and W s_t, which is known, from then on."""
        return circle_forecast(prompts.inputs)

"""Linear dynamics under a Haar orthogonal matrix."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.tasks.draws import haar_matrices
from iclbench.tasks.dynamics.dynamics import linear_orbit, noise_free_prompts
from iclbench.tasks.dynamics.sphere import SphereDynamics
from iclbench.tasks.linear_posterior import linear_posterior_predictions
from iclbench.tasks.prompts import Prompts


class Haar(SphereDynamics):
    """s_{t+1} = W s_t with W Haar on O(d) and s_1 = (1, …, 1)/sqrt(d) in every prompt.

    Drawn: W. Truth: ``W`` (batch, d, d).
    Source: Sander et al. 2024 (arXiv 2402.05787), the general case of its experiments.
    """

    kind: Literal["haar"] = Field(description="s_{t+1} = W s_t, W Haar on O(d)")

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw W for every prompt."""
        W = haar_matrices(rng, batch, self.dim)
        start = np.full((batch, self.dim), self.dim**-0.5)
        return noise_free_prompts(linear_orbit(W, start, length), {"W": W})

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"]:
        """Return the least-squares prediction of minimum norm.

        Given W on the span of the states seen, W is a Haar isometry between the orthogonal
        complements, of mean zero: what is seen of s_t is mapped, the rest is predicted 0 (derived).
        """
        return linear_posterior_predictions(prompts.inputs, prompts.outputs)

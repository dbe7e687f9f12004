"""Linear dynamics under a Gaussian matrix of given spectral radius."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from iclbench.capabilities import Fact
from iclbench.tasks.draws import unit_vectors
from iclbench.tasks.dynamics.dynamics import Dynamics
from iclbench.tasks.prompts import Prompts


class LinearDynamics(Dynamics):
    """s_{t+1} = W s_t + noise xi_t, xi_t ~ N(0, I), s_1 uniform on the unit sphere.

    W = radius G / rho(G) with G iid N(0, 1/d) and rho the spectral radius: a matrix that is neither
    normal nor invertible with certainty, unlike the orthogonal kinds. Our choice of law.

    Drawn, in this order: G, s_1, xi (also without noise, so that only the noise differs between
    noise levels). Truth: ``W`` (batch, d, d).
    """

    kind: Literal["linear"] = Field(
        description="s_{t+1} = W s_t + noise xi_t, W Gaussian rescaled to a spectral radius"
    )
    dim: int = Field(ge=1, le=4096, description="d, dimension of the state")
    radius: float = Field(
        default=1.0, gt=0, le=1, description="spectral radius of W; above 1 sequences would explode"
    )
    noise: float = Field(
        default=0.0, ge=0, le=100, description="standard deviation added at every transition"
    )

    @property
    def input_dim(self) -> int:
        """The dimension d of the state."""
        return self.dim

    @property
    def facts(self) -> frozenset[Fact]:
        """A sequence, without noise if ``noise`` is 0."""
        return super().facts - {"noise-free"} if self.noise else super().facts

    @property
    def output_power(self) -> None:
        """Unknown: it depends on the eigenvectors of W."""
        return None

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw W, s_1 and the noise for every prompt."""
        W = rng.standard_normal((batch, self.dim, self.dim)) / np.sqrt(self.dim)
        W *= self.radius / np.abs(np.linalg.eigvals(W)).max(-1)[:, None, None]
        state = unit_vectors(rng, batch, self.dim)
        noise = self.noise * rng.standard_normal((batch, length, self.dim))
        inputs, clean = np.empty_like(noise), np.empty_like(noise)
        for t in range(length):
            inputs[:, t] = state
            clean[:, t] = np.matvec(W, state)
            state = clean[:, t] + noise[:, t]
        return Prompts(inputs=inputs, outputs=clean + noise, clean=clean, truth={"W": W})

"""A rotation of the sphere, perturbed by a network."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from iclbench.tasks.draws import haar_matrices, normalised, unit_vectors
from iclbench.tasks.dynamics.dynamics import noise_free_prompts, orbit
from iclbench.tasks.dynamics.sphere import SphereDynamics
from iclbench.tasks.prompts import Prompts

_HIDDEN = 16


class Rotation(SphereDynamics):
    """s_{t+1} = normalise(Omega s_t + strength tanh(W_2 relu(W_1 s_t) / 4)).

    Omega is Haar on O(d), s_1 uniform on the unit sphere, W_1 of shape (16, d) and W_2 of shape
    (d, 16) iid N(0, 1): with 16 hidden units the factor 1/4 = 1/sqrt(16) makes the argument of tanh
    of variance 1/2 in every dimension. The map is derived, no paper's; the shapes are our choice.

    Drawn, in this order: Omega, W_1, W_2, s_1. Truth: ``Omega``, ``W1``, ``W2``.
    """

    kind: Literal["rotation"] = Field(
        description="s_{t+1} = normalise(Omega s_t + strength tanh(W_2 relu(W_1 s_t) / 4))"
    )
    strength: float = Field(
        default=0.3, ge=0, le=10, description="size of the perturbation; 0 is linear"
    )

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw Omega, the network and s_1 for every prompt."""
        Omega = haar_matrices(rng, batch, self.dim)
        W1 = rng.standard_normal((batch, _HIDDEN, self.dim))
        W2 = rng.standard_normal((batch, self.dim, _HIDDEN))
        scaled = W2 / np.sqrt(_HIDDEN)

        def step(s: np.ndarray) -> np.ndarray:
            bend = np.tanh(np.matvec(scaled, np.maximum(np.matvec(W1, s), 0)))
            return normalised(np.matvec(Omega, s) + self.strength * bend)

        states = orbit(step, unit_vectors(rng, batch, self.dim), length)
        return noise_free_prompts(states, {"Omega": Omega, "W1": W1, "W2": W2})

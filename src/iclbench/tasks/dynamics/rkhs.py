"""Dynamics on the sphere that lie in the RKHS of the exponential kernel."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from iclbench.tasks.draws import haar_matrices, unit_vectors
from iclbench.tasks.dynamics.dynamics import noise_free_prompts, orbit
from iclbench.tasks.dynamics.sphere import SphereDynamics
from iclbench.tasks.prompts import Prompts


class Rkhs(SphereDynamics):
    """s_{t+1} = Q R(strength <v, s_t>) Omega s_t, s_1 uniform on the unit sphere.

    Q and Omega are Haar on O(d), v is uniform on the unit sphere, and R(phi) rotates the coordinate
    pairs (1,2), (3,4), … by phi, leaving a last odd coordinate alone: a rotation by an angle that
    depends on the state.

    Sander & Peyré 2024 (arXiv 2410.03011), Assumption 1, asks for f in the RKHS of the attention's
    kernel. A random sum of kernels sum_j c_j exp(beta <z_j, x>) is there, but its sequences explode
    or die, and its projection on the sphere is there no longer. This f keeps the sphere and is in
    the RKHS of exp(beta <x, y>) for every beta > 0, as the Taylor coefficients of its components
    fall fast enough: with z = strength^2 / beta, |f|^2 <= d (1 + z) exp(z) / beta (derived).

    Drawn, in this order: Q, Omega, v, s_1. Truth: ``Q``, ``Omega`` (batch, d, d), ``v`` (batch, d)
    """

    kind: Literal["rkhs"] = Field(
        description="s_{t+1} = Q R(strength <v, s_t>) Omega s_t, R rotating by a state's own angle"
    )
    dim: int = Field(ge=2, le=4096, description="d, dimension of the state")
    strength: float = Field(
        default=1.0, ge=0, le=10, description="how fast the angle varies with the state; 0 is Haar"
    )

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw Q, Omega, v and s_1 for every prompt."""
        Q = haar_matrices(rng, batch, self.dim)
        Omega = haar_matrices(rng, batch, self.dim)
        v = unit_vectors(rng, batch, self.dim)
        even = self.dim - self.dim % 2

        def step(s: np.ndarray) -> np.ndarray:
            phi = self.strength * (v * s).sum(-1, keepdims=True)
            image = np.einsum("bij,bj->bi", Omega, s)
            left, right = image[:, 0:even:2].copy(), image[:, 1:even:2].copy()
            image[:, 0:even:2] = np.cos(phi) * left - np.sin(phi) * right
            image[:, 1:even:2] = np.sin(phi) * left + np.cos(phi) * right
            return np.einsum("bij,bj->bi", Q, image)

        states = orbit(step, unit_vectors(rng, batch, self.dim), length)
        return noise_free_prompts(states, {"Q": Q, "Omega": Omega, "v": v})

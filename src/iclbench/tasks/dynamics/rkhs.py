"""Dynamics on the sphere that lie in the RKHS of the exponential kernel."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.tasks.draws import haar_matrices, unit_vectors
from iclbench.tasks.dynamics.dynamics import noise_free_prompts, orbit
from iclbench.tasks.dynamics.sphere import SphereDynamics
from iclbench.tasks.prompts import Prompts


class Rkhs(SphereDynamics):
    """s_{t+1} = Q_m R(<w_m, s_t>) Q_{m-1} … R(<w_1, s_t>) Q_0 s_t, s_1 uniform on the unit sphere.

    R(phi) rotates the coordinate pairs (1,2), (3,4), … by phi, leaving a last odd coordinate alone,
    the Q_j are Haar on O(d), and w_j = strength v_j / sqrt(m) with v_j uniform on the unit sphere:
    rotations by angles that depend on the state.

    Sander & Peyré 2024 (arXiv 2410.03011), Assumption 1, asks for f in the RKHS of the attention's
    kernel. Writing each rotation with exp(i phi) and exp(-i phi) makes this f a sum of terms
    M_c x exp(i <c, x>) over the combinations c = ±w_1 ± … ± w_m: of derivatives of the kernel
    exp(beta <z, x>) at the random imaginary centres z = i c / beta. So f is in the RKHS for every
    beta > 0, with |f|^2 <= 3^{m-1} d (1 + z) exp(z) / beta, z = m strength^2 / beta (derived).

    Imaginary centres because f must keep its sequences alive: with the sums of kernels at real
    centres that we tried, many sequences exploded or came to rest, and the projection of such a sum
    on the sphere is no longer in the RKHS. This f keeps the sphere.

    Drawn, in this order: Q_0 … Q_m, v_1 … v_m, s_1.
    Truth: ``Q`` (batch, m + 1, d, d), ``v`` (batch, m, d)
    """

    kind: Literal["rkhs"] = Field(
        description="s_{t+1} = Q_m R(<w_m, s_t>) … Q_1 R(<w_1, s_t>) Q_0 s_t, R rotating"
    )
    dim: int = Field(ge=2, le=4096, description="d, dimension of the state")
    centres: int = Field(default=3, ge=1, le=64, description="m, number of random directions w_j")
    strength: float = Field(
        default=1.0, ge=0, le=10, description="how fast the angles vary with the state; 0 is Haar"
    )

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw the Q_j, the v_j and s_1 for every prompt."""
        m, d = self.centres, self.dim
        Q = haar_matrices(rng, batch * (m + 1), d).reshape(batch, m + 1, d, d)
        v = unit_vectors(rng, batch, m, d)
        w = self.strength / np.sqrt(m) * v
        terms = (Q[:, 1:, None] @ _rotation_terms(d)).reshape(batch, m, 3, d * d)
        factors = np.ones((batch, m, 1, 3))  # cos phi, sin phi and 1 for every j

        def step(s: np.ndarray) -> np.ndarray:
            angles = np.matvec(w, s)
            np.cos(angles, out=factors[..., 0, 0])
            np.sin(angles, out=factors[..., 0, 1])
            turns = (factors @ terms).reshape(batch, m, d, d)
            image = np.matvec(Q[:, 0], s)
            for j in range(m):
                image = np.matvec(turns[:, j], image)
            return image

        states = orbit(step, unit_vectors(rng, batch, d), length)
        return noise_free_prompts(states, {"Q": Q, "v": v})


def _rotation_terms(dim: int) -> Float[np.ndarray, "3 d d"]:
    """Return P, J and E of R(phi) = cos(phi) P + sin(phi) J + E.

    P is the projection on the coordinate pairs, J turns each by a right angle, and E is the
    projection on what is left, a last odd coordinate.
    """
    paired = np.arange(dim) < dim - dim % 2
    below = np.diag(paired[1:] & (np.arange(dim - 1) % 2 == 0), -1).astype(float)
    return np.stack([np.diag(paired), below - below.T, np.diag(~paired)])

"""The two commuting laws of the paper, in the basis where its matrices are diagonal."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Complex

from iclbench.tasks.dynamics.commuting_orthogonal import CommutingOrthogonal
from iclbench.tasks.dynamics.commuting_unitary import CommutingUnitary

Law = Literal["unitary", "orthogonal"]


def eigenvalues(
    law: Law, dim: int, rng: np.random.Generator, batch: int
) -> Complex[np.ndarray, "batch d"]:
    """Draw the diagonals lambda of W, iid on the unit circle or in neighbouring conjugate pairs.

    Raises:
        ValueError: If pairs are asked for in an odd dimension.
    """
    if law == "unitary":
        drawn = CommutingUnitary(kind="commuting_unitary", dim=dim).sample(rng, batch, 1)
        return np.exp(1j * drawn.truth["angles"])
    drawn = CommutingOrthogonal(kind="commuting_orthogonal", dim=dim).sample(rng, batch, 1)
    mu = np.exp(1j * drawn.truth["angles"])
    return np.stack([mu, mu.conj()], -1).reshape(batch, dim)

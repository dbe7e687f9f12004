"""Random points and matrices that several families draw."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def unit_vectors(rng: np.random.Generator, *shape: int) -> Float[np.ndarray, "*batch d"]:
    """Draw vectors uniform on the unit sphere; the last axis of ``shape`` is their dimension."""
    return normalised(rng.standard_normal(shape))


def normalised(vectors: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch d"]:
    """Return v / |v| along the last axis."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def haar_matrices(rng: np.random.Generator, batch: int, dim: int) -> Float[np.ndarray, "batch d d"]:
    """Draw orthogonal matrices from the Haar measure on O(d); both signs of the determinant."""
    from scipy.stats import ortho_group

    # scipy drops the batch axis when it draws a single matrix.
    return np.reshape(ortho_group.rvs(dim, size=batch, random_state=rng), (batch, dim, dim))

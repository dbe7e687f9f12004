"""Random points and matrices that several families draw."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def unit_vectors(rng: np.random.Generator, *shape: int) -> Float[np.ndarray, "*batch d"]:
    """Draw vectors uniform on the unit sphere; the last axis of ``shape`` is their dimension."""
    return normalised(rng.standard_normal(shape))


def normalised(vectors: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch d"]:
    """Return v / |v| along the last axis."""
    return vectors / np.sqrt(np.vecdot(vectors, vectors))[..., None]


def haar_matrices(rng: np.random.Generator, batch: int, dim: int) -> Float[np.ndarray, "batch d d"]:
    """Draw orthogonal matrices from the Haar measure on O(d); both signs of the determinant.

    Q of Z = Q R, with Z iid N(0, 1) and the diagonal of R positive, which makes Q unique.
    Source: Mezzadri 2007 (arXiv math-ph/0609050).
    """
    Q, R = np.linalg.qr(rng.standard_normal((batch, dim, dim)))
    return Q * np.copysign(1, R.diagonal(axis1=-2, axis2=-1))[:, None, :]

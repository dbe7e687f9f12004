"""How far two results differ."""

from __future__ import annotations

from typing import Any

import numpy as np


def largest_difference(ours: Any, reference: Any) -> float:
    """Return the largest difference of two arrays, over the largest entry where that is above 1.

    Raises:
        ValueError: If their shapes differ.
    """
    left, right = np.asarray(ours), np.asarray(reference)
    if left.shape != right.shape:
        raise ValueError(f"shapes {left.shape} and {right.shape} cannot be compared; make them one")
    return float(np.abs(left - right).max() / max(1.0, np.abs(right).max()))

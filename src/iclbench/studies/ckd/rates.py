"""The rate of a decay, as measured."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

ROUNDING = 1e-12
"""Errors below this are not used: of numbers near 1, float64 keeps little of what lies below."""


def decay_rate(
    errors: Float[np.ndarray, "seed step"], first: int | None = None, fewest: int = 2
) -> Float[np.ndarray, " seed"]:
    """Return r in errors ~ r^step per seed: the least-squares slope of log errors, exponentiated.

    The fit starts at step ``first`` (None: half-way) and ends before the first error below
    ``ROUNDING``. Where it has fewer than ``fewest`` steps the rate is NaN.
    """
    rates = np.full(len(errors), np.nan)
    for seed, row in enumerate(errors):
        below = np.flatnonzero(row < ROUNDING)
        end = below[0] if len(below) else len(row)
        start = end // 2 if first is None else first
        if end - start >= fewest:
            steps = np.arange(start, end)
            rates[seed] = np.exp(np.polyfit(steps, np.log(row[start:end]), 1)[0])
    return rates

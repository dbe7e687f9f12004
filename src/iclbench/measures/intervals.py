"""Intervals: Student's over seeds, the bootstrap's over prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Num


def half_width(
    deviation: Float[np.ndarray, "*shape"], count: Num[np.ndarray, "*shape"], level: float = 0.95
) -> Float[np.ndarray, "*shape"]:
    """Return half the width of Student's interval of a mean, t_{n-1} s / sqrt(n); NaN for n < 2.

    Args:
        deviation: s, the standard deviation of the n values (with n - 1 below).
        count: n.
        level: The probability that the interval covers the mean of normal values.
    """
    from scipy.special import stdtrit

    enough = np.maximum(count, 2)
    width = stdtrit(enough - 1, (1 + level) / 2) * deviation / np.sqrt(enough)
    return np.where(count < 2, np.nan, width)


def interval_over_seeds(
    values: Float[np.ndarray, "seed ..."], level: float = 0.95
) -> Float[np.ndarray, "3 ..."]:
    """Return the mean over seeds, then the two ends of its interval, NaN for a single seed.

    Pass log-errors where errors are drawn on a logarithmic axis: the interval then cannot reach
    below zero.

    Examples:
        >>> mean, low, high = interval_over_seeds(np.array([1.0, 2.0, 3.0]))
        >>> round(float(mean), 3), round(float(low), 3), round(float(high), 3)
        (2.0, -0.484, 4.484)
    """
    seeds = len(values)
    mean = np.asarray(values.mean(0))
    deviation = values.std(0, ddof=1) if seeds > 1 else np.full(mean.shape, np.nan)
    half = half_width(np.asarray(deviation), np.full(mean.shape, seeds), level)
    return np.stack([mean, mean - half, mean + half])


def bootstrap(
    *samples: Float[np.ndarray, "batch ..."],
    rng: np.random.Generator,
    statistic: Callable[..., np.ndarray] = np.mean,
    level: float = 0.9,
    trials: int = 1000,
) -> Float[np.ndarray, "2 ..."]:
    """Return the two ends of the percentile bootstrap interval of a statistic over prompts.

    Several samples are taken to be of the same prompts, and prompts are drawn, not entries: the
    interval of a difference is then that of the paired difference. The defaults are those of
    Garg et al. 2022 (arXiv 2208.01066): 90 %, 1000 trials.

    Args:
        samples: Values of each prompt, one array or several of the same prompts.
        rng: Where the draws come from (see ``streams.stream``).
        statistic: From as many arrays, and the axis of prompts as ``axis``, to its value.
        level: How much of the bootstrap distribution lies between the ends.
        trials: How many times the prompts are drawn.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> a = rng.normal(size=100)
        >>> b = a + 0.1 + 0.01 * rng.normal(size=100)
        >>> low, high = bootstrap(b, a, rng=rng, statistic=difference_of_means)
        >>> bool(0.09 < low < 0.1 < high < 0.11)
        True
    """
    from scipy.stats import bootstrap as resample

    entries = sum(sample.size for sample in samples)
    interval = resample(
        samples,
        statistic,
        n_resamples=trials,
        batch=max(1, 10**7 // entries),
        vectorized=True,
        paired=True,
        axis=0,
        confidence_level=level,
        method="percentile",
        rng=rng,
    ).confidence_interval
    return np.stack([interval.low, interval.high])


def difference_of_means(
    first: np.ndarray, second: np.ndarray, axis: int | Sequence[int] = 0
) -> np.ndarray:
    """Return mean(first) - mean(second), a statistic for ``bootstrap``."""
    return np.asarray(first.mean(axis) - second.mean(axis))

"""Bootstrap intervals of many means over the same prompts, and the rows that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from iclbench.lazy import pd
from iclbench.records import make_rows

TRIALS, LEVEL = 1000, 0.9
"""Those of Garg et al. 2022 (arXiv 2208.01066)."""

BLOCK = 1024
"""How many prompts are counted at a time: a table of trials by prompts would not fit in memory."""


def bootstrap_means(
    values: Float[np.ndarray, "prompt entry"],
    rng: np.random.Generator,
    trials: int = TRIALS,
    level: float = LEVEL,
) -> Float[np.ndarray, "2 entry"]:
    """Return the two ends of the percentile bootstrap interval of the means over prompts.

    The law is that of ``iclbench.measures.bootstrap`` with the mean as its statistic. A mean of
    prompts drawn with replacement weighs each by how often it was drawn, and these counts are
    multinomial, so that one table of counts and one product serve all entries. An entry with a
    value that is not finite has the ends NaN.

    Args:
        values: One line a prompt, which are drawn as wholes.
        rng: Where the draws come from.
        trials: How many times the prompts are drawn.
        level: How much of the bootstrap distribution lies between the ends.
    """
    prompts = len(values)
    draws = np.full(trials, prompts)
    means = np.zeros((trials, values.shape[1]))
    finite = np.isfinite(values).all(0)
    kept = np.where(finite, values, 0.0)
    for start in range(0, prompts, BLOCK):
        part = kept[start : start + BLOCK]
        # Of the draws that are left, those that fall on this block, then within it.
        within = rng.binomial(draws, min(1.0, len(part) / (prompts - start)))
        counts = rng.multinomial(within, np.full(len(part), 1 / len(part)))
        draws = draws - within
        means += counts @ part
    ends = np.quantile(means / prompts, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.where(finite, ends, np.nan)


def rows_with_intervals(
    errors: Float[np.ndarray, "prompt position"],
    ends: Float[np.ndarray, "2 position"],
    labels: Mapping[str, Any],
    **about: Any,
) -> pd.DataFrame:
    """Return the rows ``normalised_error``, ``error_low`` and ``error_high`` of every position.

    Args:
        errors: Squared errors over the power of the outputs.
        ends: The ends of the intervals of their means.
        labels: What all rows share (see ``iclbench.records.make_rows``).
        about: Iterate, position, and what else tells the rows apart.
    """
    prompts = len(errors)
    stderr = errors.std(0, ddof=1) / prompts**0.5 if prompts > 1 else np.nan
    tables = [
        make_rows(
            labels,
            metric="normalised_error",
            value=errors.mean(0),
            stderr=stderr,
            n=prompts,
            **about,
        )
    ]
    for metric, end in zip(("error_low", "error_high"), ends, strict=True):
        tables.append(make_rows(labels, metric=metric, value=end, n=prompts, **about))
    return pd.concat(tables, ignore_index=True)

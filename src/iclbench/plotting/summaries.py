"""What the figures draw of the rows: means over the last positions, intervals over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from iclbench.measures.intervals import half_width
from iclbench.plotting.style import FAMILIES
from iclbench.records import LEFT_OUT

NORMAL = 1.96
"""Half the width of a 95 % interval, in standard errors."""

LOW, HIGH = 0.25, 0.75
"""The quantiles over seeds between which bands lie."""


def of_metric(rows: pd.DataFrame, metric: str, task: str | None = None) -> pd.DataFrame:
    """Return the rows of a metric, and of a task if one is given, that were run."""
    chosen = (rows["metric"] == metric) & ~rows["status"].str.startswith(LEFT_OUT)
    return rows[chosen if task is None else chosen & (rows["task"] == task)]


def left_out(rows: pd.DataFrame) -> pd.DataFrame:
    """Return task, method, family and reason of the pairs that were not run."""
    pairs = rows.loc[
        rows["status"].str.startswith(LEFT_OUT), ["task", "method", "family", "status"]
    ].drop_duplicates()
    reasons = pairs.pop("status").str.removeprefix(LEFT_OUT)
    return pairs.assign(reason=reasons)


def last_quarter(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, per seed and iterate, the mean over the last quarter of each task's positions.

    Its standard error is the mean of those of the positions: exact if the positions of a prompt err
    together, and otherwise an upper bound. A mean of which a part diverged is null.
    """
    rows = rows[rows["position"].notna()]
    length = rows.groupby("task")["position"].transform("max") + 1
    last = rows[rows["position"] >= length - np.maximum(1, length // 4)]
    groups = last.groupby(["task", "method", "family", "seed", "iterate"], as_index=False)
    return groups[["value", "stderr"]].mean(skipna=False)


def over_seeds(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return, per group, the geometric mean of the values over seeds and its 95 % interval.

    The interval is Student's of the logarithms over seeds. A method that is not trained and has one
    seed gets the interval of its mean over prompts instead (by the delta method on the logarithm).
    A trained model with one seed has none. If a seed diverged, mean and interval are null.

    Args:
        rows: Rows with ``value`` and ``stderr``; one a seed in each group.
        by: The columns that make a group; ``family`` is one.

    Returns:
        One row a group: the columns ``by``, ``value``, ``low``, ``high`` and ``seeds``.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = rows.assign(
            log=np.log(rows["value"].astype(float)), relative=rows["stderr"] / rows["value"]
        )
        groups = logs.groupby(list(by))
        summary = groups.agg(seeds=("log", "size")).reset_index()
        mean = groups["log"].mean(skipna=False).to_numpy()
        deviation = groups["log"].std(skipna=False).to_numpy()
        seeds = summary["seeds"].to_numpy()
        of_prompts = NORMAL * groups["relative"].mean(skipna=False).to_numpy()
        alone = (seeds == 1) & (summary["family"] != "trained").to_numpy()
        half = np.where(alone, of_prompts, half_width(deviation, seeds))
        return summary.assign(
            value=np.exp(mean), low=np.exp(mean - half), high=np.exp(mean + half)
        )[[*by, "value", "low", "high", "seeds"]]


def in_order(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return (family, method) of a table: families as drawn, names by the alphabet."""
    rank = list(FAMILIES).index
    pairs = table[["family", "method"]].drop_duplicates().itertuples(index=False, name=None)
    return sorted(pairs, key=lambda pair: (rank(pair[0]), pair[1]))


def over_quantiles(
    rows: pd.DataFrame, by: Sequence[str], low: float = LOW, high: float = HIGH
) -> pd.DataFrame:
    """Return, per group, the median over seeds and two quantiles about it; diverged counts as inf.

    Returns:
        One row a group: the columns ``by``, ``value``, ``low``, ``high`` and ``seeds``.
    """
    values = rows.assign(value=rows["value"].fillna(np.inf))
    groups = values.groupby(list(by), dropna=False)["value"]
    # A quantile that is one of the values stays defined where others are infinite.
    table = pd.DataFrame(
        {
            name: groups.quantile(at, interpolation="lower")
            for name, at in {"value": 0.5, "low": low, "high": high}.items()
        }
    )
    return table.assign(seeds=groups.size()).reset_index()

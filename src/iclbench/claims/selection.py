"""The rows that a claim speaks of, one number a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from iclbench.claims.filters import describe
from iclbench.claims.numbers import listed
from iclbench.files import JobError
from iclbench.records import LEFT_OUT

METHODS = ("study", "task", "method", "family")
"""The columns that a row of a method left out fills with a meaning."""

PLACES = ("iterate", "position", "reference", "reference_iterate")


class LackingError(Exception):
    """Why a claim is not run: what is not there."""


def select(rows: pd.DataFrame, filters: dict[str, Any]) -> pd.DataFrame:
    """Return the rows that were run and match every filter.

    Raises:
        LackingError: If a filter, or a value that it lists, matches no row, or if a method that it
            asks for was left out.
        JobError: If the rows mix metrics, or single positions with means over positions.
    """
    is_left_out = rows["status"].str.startswith(LEFT_OUT).to_numpy(dtype=bool)
    _check_none_left_out(rows[is_left_out], filters)
    ran = rows[~is_left_out]
    if ran.empty:
        raise LackingError("the tables of evidence hold no rows")
    for column, wanted in filters.items():
        for value in _values(wanted):
            if not _matches(ran, column, value).any():
                raise LackingError(f"no row has {describe({column: value})}; {_there(ran, column)}")
    chosen, used = ran, {}
    for column, wanted in sorted(filters.items(), key=lambda item: item[1] == "last"):
        for value in _values(wanted):
            if not _matches(chosen, column, value).any():
                raise LackingError(
                    f"no row has {describe({column: value})} together with {describe(used)}"
                )
        kept = chosen[_matches(chosen, column, wanted)]
        if wanted == "last":
            _check_all_reach_the_last(chosen, kept, column)
        chosen = kept
        used[column] = wanted
    _check_of_one_kind(chosen, filters)
    _check_same_rows(chosen)
    return chosen


def per_seed(rows: pd.DataFrame, reduce: str) -> pd.Series:
    """Return the reduced value of each seed, NaN where a row of it diverged."""
    return _reduced(rows, ["seed"], reduce)


def per_seed_and(rows: pd.DataFrame, along: str, reduce: str) -> pd.DataFrame:
    """Return the reduced values by seed (lines) and abscissa (columns), NaN where one diverged.

    Raises:
        LackingError: If there are fewer than two abscissae, or a seed lacks one.
    """
    rows = rows[rows[along].notna()].astype({along: int})
    values = _reduced(rows, ["seed", along], reduce)
    axis = sorted(rows[along].unique())
    if len(axis) < 2:
        raise LackingError(f"{len(axis)} value of {along} among the rows; at least two are needed")
    seeds = sorted(rows["seed"].unique())
    if len(values) < len(axis) * len(seeds):
        short = values.groupby("seed").size()
        name = short.index[short < len(axis)][0]
        raise LackingError(f"seed {name} lacks some of the {len(axis)} values of {along}")
    return values.unstack(along)


def paired(first: pd.Series, second: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return two sides at the seeds that both have; a side with one seed is broadcast.

    Raises:
        LackingError: If they have no seed in common.
    """
    if len(second) == 1 < len(first):
        return first, pd.Series(second.iloc[0], index=first.index)
    if len(first) == 1 < len(second):
        return pd.Series(first.iloc[0], index=second.index), second
    if len(first) == len(second) == 1:
        return first, second.set_axis(first.index)
    common = first.index.intersection(second.index)
    if common.empty:
        raise LackingError("the two sides have no seed in common, so that nothing is paired")
    return first[common], second[common]


def _reduced(rows: pd.DataFrame, by: list[str], reduce: str) -> pd.Series:
    values = rows["value"].astype(float)
    groups = values.groupby([rows[name].astype(int) for name in by])
    diverged = values.isna().groupby([rows[name].astype(int) for name in by]).any()
    return groups.agg(reduce).mask(diverged)


def _values(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _matches(rows: pd.DataFrame, column: str, wanted: Any) -> np.ndarray:
    values = rows[column]
    if isinstance(wanted, list):
        return np.any([_matches(rows, column, value) for value in wanted], axis=0)
    if wanted is None:
        return values.isna().to_numpy(dtype=bool)
    if wanted == "last":
        methods = [rows["task"], rows["method"], rows["reference"].fillna("")]
        wanted = values.astype("Float64").groupby(methods).transform("max")
    if isinstance(wanted, dict):
        number = values.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        low, high = wanted.get("from", -np.inf), wanted.get("to", np.inf)
        return (number >= low) & (number <= high)
    return values.eq(wanted).fillna(False).to_numpy(dtype=bool)


def _there(rows: pd.DataFrame, column: str) -> str:
    values = rows[column].dropna().unique().tolist()
    if not values:
        return f"all rows have no {column.replace('_', ' ')}"
    return f"there are {listed([str(value) for value in sorted(values)])}"


def _check_none_left_out(rows: pd.DataFrame, filters: dict[str, Any]) -> None:
    """Refuse a selection of which a part was never run.

    A row of a method left out says so under one metric and no position; it stands for all.
    """
    about = {column: filters[column] for column in METHODS if column in filters}
    wanted = rows
    if "method" not in filters and "family" not in filters and len(rows):
        names = listed(sorted(rows["method"].unique()))
        raise LackingError(f"{names} are left out, and no filter says which methods are meant")
    for column, value in about.items():
        wanted = wanted[_matches(wanted, column, value)]
    if "reference" in filters:
        as_reference = rows[_matches(rows, "method", filters["reference"])]
        if "task" in filters:
            as_reference = as_reference[_matches(as_reference, "task", filters["task"])]
        wanted = pd.concat([wanted, as_reference])
    if len(wanted):
        row = wanted.iloc[0]
        reason = row["status"].removeprefix(LEFT_OUT)
        raise LackingError(f"method {row['method']} is left out of {row['task']}: {reason}")


def _check_all_reach_the_last(rows: pd.DataFrame, last: pd.DataFrame, column: str) -> None:
    """Refuse the last iterate or position of a method that not all its seeds reach."""
    about = ["task", "method", "seed"]
    reached = set(last[about].itertuples(index=False, name=None))
    for task, method, seed in rows[about].drop_duplicates().itertuples(index=False, name=None):
        if (task, method, seed) not in reached:
            what = column.replace("_", " ")
            raise LackingError(f"seed {seed} of {method} on {task} lacks the last {what}")


def _check_same_rows(rows: pd.DataFrame) -> None:
    """Refuse a selection in which a seed lacks rows that another seed of its method has."""
    keys = rows[[*METHODS, "metric", *PLACES]].astype(object).where(rows.notna(), None)
    of_method = [rows[column] for column in METHODS]
    seeds = rows["seed"].groupby(of_method).transform("nunique")
    having = rows["seed"].groupby([keys[column] for column in keys], dropna=False)
    short = (having.transform("nunique") < seeds).to_numpy(dtype=bool)
    if short.any():
        row = rows[short].iloc[0]
        raise LackingError(
            f"not all seeds of {row['method']} on {row['task']} have the same rows: iterate "
            f"{row['iterate']}, position {row['position']} of {row['metric']} is of some only"
        )


def _check_of_one_kind(rows: pd.DataFrame, filters: dict[str, Any]) -> None:
    metrics = sorted(rows["metric"].unique())
    if len(metrics) > 1 and "metric" not in filters:
        raise JobError(
            f"rows of several metrics are selected ({listed(metrics)}); say which under where"
        )
    averaged = rows["position"].isna().to_numpy(dtype=bool)
    has_both = pd.Series(averaged).groupby(rows["metric"].to_numpy()).nunique().gt(1).any()
    if has_both and "position" not in filters:
        raise JobError(
            "rows of single positions and means over positions are both selected; under where, "
            "give position: null for the means, or position: {from: a, to: b}"
        )

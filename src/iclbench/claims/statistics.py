"""From rows to effects: what each statistic computes, seed by seed, and its interval over seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from iclbench.claims.claim import (
    Claim,
    Difference,
    Equivalence,
    Monotone,
    Ordering,
    Ratio,
    Slope,
    Value,
)
from iclbench.claims.filters import describe
from iclbench.claims.selection import paired, per_seed, per_seed_and, select
from iclbench.measures.intervals import interval_over_seeds

LEVEL = 0.95
EQUIVALENCE_LEVEL = 0.90
"""Two one-sided tests at 5 % each reject where the 90 % interval lies inside."""


class UndefinedError(Exception):
    """Why a statistic is not defined for the values that were measured."""


@dataclass(frozen=True)
class Sample:
    """A statistic in every seed: NaN where a row that it needs diverged.

    Attributes:
        what: Which pair or step it is, of several; empty where there is one.
        by_seed: The values, by seed.
    """

    what: str
    by_seed: pd.Series

    @property
    def diverged(self) -> list[str]:
        """The seeds in which it has no value."""
        return [str(seed) for seed in self.by_seed.index[self.by_seed.isna()]]


@dataclass(frozen=True)
class Effect:
    """A statistic over seeds.

    Attributes:
        value: The mean over seeds (geometric for ratios), or the median where every seed counts.
        low: The lower end of the interval; NaN where there is none.
        high: Its upper end.
        seeds: How many seeds it is of.
        interval: What the interval is, in words.
        what: Which pair or step it is, of several; empty where there is one.
    """

    value: float
    low: float
    high: float
    seeds: int
    interval: str
    what: str = ""


def samples(claim: Claim, rows: pd.DataFrame) -> list[Sample]:
    """Return the statistic of a claim in every seed; several for orderings and monotony.

    Raises:
        LackingError: If rows are missing or were left out.
        UndefinedError: If the statistic is not defined for the values.
        JobError: If the rows do not fit together (see ``select``).
    """
    statistic = claim.statistic
    if isinstance(statistic, Monotone):
        return list(_steps(statistic, select(rows, claim.where)))
    if isinstance(statistic, Slope):
        return [Sample("", _slopes(statistic, select(rows, claim.where)))]
    sides = [
        per_seed(select(rows, claim.where | side), statistic.reduce) for side in statistic.sides
    ]
    if isinstance(statistic, Value):
        return [Sample("", sides[0])]
    if isinstance(statistic, Ordering):
        return list(_differences(statistic, sides))
    first, second = paired(*sides)
    return [Sample("", _compare(statistic, first, second))]


def effect_of(sample: Sample, claim: Claim, *, tests: int = 1) -> Effect:
    """Return a sample's effect; a mean with a diverged or single seed has no interval.

    Args:
        sample: The statistic by seed.
        claim: What it is a statistic of.
        tests: Among how many samples this one was picked; the interval then holds for all of them
            at once (Bonferroni).
    """
    statistic = claim.statistic
    values = sample.by_seed.to_numpy(dtype=float)
    if statistic.over == "every":
        finite = values[np.isfinite(values)]
        ends = (np.median(finite), finite.min(), finite.max()) if len(finite) else [np.nan] * 3
        words = "range over seeds" if len(values) > 1 else "one seed"
        return _effect(ends, len(values), words, sample.what)
    if sample.diverged:
        return _effect([np.nan] * 3, len(values), "none", sample.what)
    level = 1 - (1 - level_of(claim)) / tests
    words = f"{100 * level_of(claim):.0f} % Student over seeds" if len(values) > 1 else "none"
    if is_logarithmic(claim):
        with np.errstate(over="ignore"):  # a wide interval may end at infinity
            ends = np.exp(_student(np.log(values), level))
        return _effect(ends, len(values), words, sample.what)
    return _effect(_student(values, level), len(values), words, sample.what)


def level_of(claim: Claim) -> float:
    """Return the level of the interval that is judged."""
    return EQUIVALENCE_LEVEL if isinstance(claim.statistic, Equivalence) else LEVEL


def is_logarithmic(claim: Claim) -> bool:
    """Return whether the interval is that of the logarithm."""
    return isinstance(claim.statistic, Ratio) and claim.statistic.over == "mean"


def _effect(ends: np.ndarray | list[float] | tuple, seeds: int, words: str, what: str) -> Effect:
    value, low, high = map(float, ends)
    return Effect(value, low, high, seeds, words, what)


def _student(values: np.ndarray, level: float) -> np.ndarray:
    """Return mean and interval; equal values have a width of exactly zero."""
    if len(values) > 1 and np.ptp(values) == 0:
        return np.full(3, values[0])
    return interval_over_seeds(values, level)


def _compare(
    statistic: Ratio | Difference | Equivalence, first: pd.Series, second: pd.Series
) -> pd.Series:
    if isinstance(statistic, Ratio):
        _check_ratio(statistic, first, second)
        return first / second
    if isinstance(statistic, Equivalence) and statistic.relative:
        if (second == 0).any():
            seed = second.index[second == 0][0]
            raise UndefinedError(
                f"to ({describe(statistic.to)}) is 0 at seed {seed}, so that no relative "
                "difference exists; use relative: false"
            )
        return (first - second) / second.abs()
    return first - second


def _check_ratio(statistic: Ratio, first: pd.Series, second: pd.Series) -> None:
    sides = {"to": (statistic.to, second)}
    if statistic.over == "mean":
        sides = {"of": (statistic.of, first)} | sides
    for name, (side, values) in sides.items():
        bad = values <= 0 if statistic.over == "mean" else values == 0
        if bad.any():
            seed = values.index[bad][0]
            wish = "a geometric mean needs positive values" if statistic.over == "mean" else ""
            raise UndefinedError(
                f"the ratio's {name} ({describe(side)}) is {values[seed]:.3g} at seed {seed}; "
                f"{wish or 'it must not be 0'}; use a difference, or select other rows"
            )


def _differences(statistic: Ordering, sides: list[pd.Series]) -> Iterator[Sample]:
    names = [describe(side) for side in statistic.smallest_first]
    for index in range(1, len(sides)):
        smaller, larger = paired(sides[index - 1], sides[index])
        yield Sample(f"{names[index]} − {names[index - 1]}", larger - smaller)


def _steps(statistic: Monotone, rows: pd.DataFrame) -> Iterator[Sample]:
    table = per_seed_and(rows, statistic.along, statistic.reduce)
    name = statistic.along.replace("_", " ")
    for before, after in zip(table.columns[:-1], table.columns[1:], strict=True):
        step = table[after] - table[before]
        if statistic.direction == "decreasing":
            step = -step
        yield Sample(f"{name} {before} → {after}", step)


def _slopes(statistic: Slope, rows: pd.DataFrame) -> pd.Series:
    table = per_seed_and(rows, statistic.x, statistic.reduce)
    x, y = table.columns.to_numpy(dtype=float), table.to_numpy(dtype=float)
    if statistic.axes == "loglog" and (x <= 0).any():
        raise UndefinedError(
            f"{statistic.x} {x[x <= 0][0]:g} has no logarithm; select larger ones under where"
        )
    if statistic.axes != "linear" and (y <= 0).any():
        line, column = np.argwhere(y <= 0)[0]
        raise UndefinedError(
            f"the value at seed {table.index[line]}, {statistic.x} {table.columns[column]} is "
            f"{y[line, column]:.3g}, which has no logarithm; select other rows, or axes: linear"
        )
    x = np.log(x) if statistic.axes == "loglog" else x
    y = y if statistic.axes == "linear" else np.log(y)
    centred = x - x.mean()
    return pd.Series(y @ centred / (centred @ centred), index=table.index)

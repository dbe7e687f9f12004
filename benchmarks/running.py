"""Running cases, and the tables that come of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmarks import tables
from benchmarks.case import Case, Comparison, LeftOutError, Options
from benchmarks.timing import Timed, alternate
from iclbench.lazy import torch


@dataclass
class Results:
    """What a run has measured; a table is a list of parts, which ``table`` joins."""

    timings: list[pd.DataFrame] = field(default_factory=list)
    ratios: list[pd.DataFrame] = field(default_factory=list)
    curves: list[pd.DataFrame] = field(default_factory=list)
    growth: list[pd.DataFrame] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """Return the parts of this name as one table."""
        parts = [part.dropna(axis=1, how="all") for part in getattr(self, name) if len(part)]
        every = list(dict.fromkeys(column for part in getattr(self, name) for column in part))
        return (
            pd.concat(parts, ignore_index=True).reindex(columns=every)
            if parts
            else (pd.DataFrame(columns=every))
        )


def run(
    case: Case,
    options: Options,
    repetitions: int | None,
    results: Results,
    tell: Callable[[pd.DataFrame], Any],
) -> None:
    """Run a case and add to the results; what each comparison comes to is told at once."""
    before = torch.get_num_threads()
    torch.set_num_threads(case.threads)
    try:
        measured = list(_measured(case, options, repetitions or case.repetitions, results, tell))
    except LeftOutError as error:
        results.left_out[case.name] = str(error)
    else:
        results.growth.append(tables.growth(case.name, measured))
    finally:
        torch.set_num_threads(before)


def _measured(
    case: Case,
    options: Options,
    repetitions: int,
    results: Results,
    tell: Callable[[pd.DataFrame], Any],
) -> Iterable[tuple[Comparison, list[Timed]]]:
    for comparison in case.comparisons(options):
        runs = list(alternate(comparison, repetitions))
        found = tables.ratios(case.name, comparison, runs)
        results.timings.append(tables.timings(case.name, comparison, runs))
        results.curves.append(tables.curves(case.name, comparison, runs))
        results.ratios.append(found)
        tell(found)
        yield comparison, runs

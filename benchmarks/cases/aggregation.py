"""The leaderboard of tables that may be larger than memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.agreement import largest_difference
from benchmarks.case import Case, Comparison, Growth, Options
from benchmarks.timing import timed
from iclbench.lazy import torch
from iclbench.plotting.leaderboard import leaderboard
from iclbench.plotting.saving import save
from iclbench.records import SCHEMA, read
from iclbench.records.files import in_parts
from iclbench.records.selection import rows_to_draw
from iclbench.streams import stream

TASKS, METHODS, POSITIONS = 20, 25, 40
SIZES = {10**5: (5, 1), 10**6: (5, 10), 10**7: (50, 10), 10**8: (50, 100)}
"""Rows in all: seeds a method and iterates a seed."""


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the figure beside one of all rows at once, and its growth with the rows alone."""
    compared = 10**5 if options.small else 10**6
    with tempfile.TemporaryDirectory() as folder:
        for size in [10**5] if options.small else [10**6, 10**7, 10**8]:
            paths = written(Path(folder, str(size)), *SIZES[size])
            yield Comparison(
                series="leaderboard",
                size=f"10^{len(str(size)) - 1} rows",
                ours=timed(partial(drawn, partial(rows_to_draw, leaderboard), paths)),
                reference=timed(partial(drawn, read, paths)) if size == compared else None,
                difference=largest_difference if size == compared else None,
                tolerance=1e-12,
                growth=Growth("rows", size, exponent=1),
                at_most=1 if size == 10**8 else 3,
            )
            for path in paths:
                path.unlink()


def drawn(rows_of: Callable[[list[Path]], pd.DataFrame], paths: list[Path]) -> torch.Tensor:
    """Draw and save the leaderboard of some tables; return its numbers."""
    figure, table = leaderboard(rows_of(paths))
    with tempfile.TemporaryDirectory() as folder:
        save(figure, table, Path(folder, "leaderboard"))
    return torch.from_numpy(table["value"].to_numpy(copy=True))


def written(folder: Path, seeds: int, iterates: int) -> list[Path]:
    """Write a table a task, of errors of random size, part after part; return their paths."""
    folder.mkdir()
    rng = stream("benchmarks", "aggregation", seeds, iterates)
    count = seeds * iterates * POSITIONS
    numbers = {
        "seed": np.repeat(np.arange(seeds), iterates * POSITIONS),
        "iterate": np.tile(np.repeat(np.arange(iterates), POSITIONS), seeds),
        "position": np.tile(np.arange(POSITIONS), seeds * iterates),
        "n": np.full(count, 1280),
    }
    paths = []
    for task in range(TASKS):
        paths.append(folder / f"task{task:02}.parquet")
        with in_parts(paths[-1], "{}") as file:
            for method in range(METHODS):
                words = {
                    "study": "leaderboard",
                    "task": f"task{task:02}",
                    "method": f"method{method:02}",
                    "family": "trained",
                    "metric": "normalised_error",
                    "status": "ok",
                    "scale": "paper",
                    "config": "0123456789abcdef",
                    "code": "0123456789abcdef",
                }
                # Few digits, as nothing compresses random ones.
                value = rng.random(count).round(4) + 1e-4
                columns = numbers | {"value": value, "stderr": value / 10}
                columns |= {name: pa.repeat(word, count) for name, word in words.items()}
                nothing = {field.name: pa.nulls(count, field.type) for field in SCHEMA}
                part = {name: columns.get(name, nothing[name]) for name in SCHEMA.names}
                file.write_table(pa.table(part, schema=SCHEMA))
    return paths


CASE = Case(
    name="aggregation",
    summary=f"the leaderboard of {TASKS} tasks × {METHODS} methods, from Parquet to a saved figure",
    reference="the same of all rows in one pandas table, as notebooks read what they have measured",
    comparisons=comparisons,
    repetitions=3,
)

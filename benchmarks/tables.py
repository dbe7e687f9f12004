"""The tables of a run: every timing, and the ratios that come of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.case import Comparison
from benchmarks.timing import Timed
from iclbench.files import written_aside

FOOTER = b"iclbench"


def timings(case: str, comparison: Comparison, runs: Iterable[Timed]) -> pd.DataFrame:
    """Return one row a repetition and side."""
    growth = comparison.growth
    return pd.DataFrame(
        {
            "case": case,
            "series": comparison.series,
            "size": comparison.size,
            "axis": growth.axis if growth else None,
            "at": growth.at if growth else math.nan,
            "side": each.side,
            "repetition": each.repetition,
            "seconds": each.run.seconds,
            "memory_mb": each.memory,
        }
        for each in runs
    )


def curves(case: str, comparison: Comparison, runs: Iterable[Timed]) -> pd.DataFrame:
    """Return one row a point of each run's curve."""
    return pd.DataFrame(
        [
            (case, comparison.series, each.side, each.repetition, *point)
            for each in runs
            for point in each.run.curve
        ],
        columns=["case", "series", "side", "repetition", "step", "seconds", "loss"],
    )


def ratios(case: str, comparison: Comparison, runs: list[Timed]) -> pd.DataFrame:
    """Return the medians of both sides and of what lies between them; one row an aim.

    The ratio is the reference's seconds over ours, the excess ours less the reference's, each by
    repetition, then the median and the range of all repetitions. Seconds are inf where a side did
    not get there; where both did not, their ratio is unknown. A comparison without an aim has one
    row as well.
    """
    rows = timings(case, comparison, runs)
    by_side = rows.pivot(index="repetition", columns="side", values="seconds")
    memory = rows.groupby("side")["memory_mb"].first()
    ours = by_side["ours"]
    reference = by_side.get("reference", pd.Series(math.nan, by_side.index))
    with np.errstate(invalid="ignore"):
        ratio, excess = reference / ours, reference.rsub(ours)
    floor = math.nan if comparison.floor is None else comparison.floor
    found = {
        "ratio": ratio.median(),
        "floors": ours.median() / floor,
        "seconds": ours.median(),
        "excess": excess.median(),
    }
    common = {
        "case": case,
        "series": comparison.series,
        "size": comparison.size,
        "ours_s": ours.median(),
        "reference_s": reference.median(),
        "floor_s": floor,
        **{name: found[name] for name in ("ratio", "floors", "excess")},
        "ratio_low": ratio.min(),
        "ratio_high": ratio.max(),
        "repetitions": len(by_side),
        "difference": _difference(comparison, runs),
        "tolerance": math.nan if comparison.tolerance is None else comparison.tolerance,
        "ours_mb": memory.get("ours", math.nan),
        "reference_mb": memory.get("reference", math.nan),
    }
    judged = [
        {"aim": str(aim), "quantity": aim.quantity, "bound": aim.bound}
        | {"met": None if math.isnan(found[aim.quantity]) else aim.met(found[aim.quantity])}
        for aim in comparison.aims
    ]
    nothing = {"aim": None, "quantity": None, "bound": math.nan, "met": None}
    return pd.DataFrame([common | each for each in judged or [nothing]])


def _difference(comparison: Comparison, runs: list[Timed]) -> float:
    """Return how far the last results of the two sides differ; NaN where nothing compares them."""
    if comparison.difference is None:
        return math.nan
    last = {each.side: each.run.result for each in runs}
    return float(comparison.difference(last["ours"], last["reference"]))


def growth(case: str, measured: Iterable[tuple[Comparison, list[Timed]]]) -> pd.DataFrame:
    """Return the power of the size that our seconds grow with, a row a series of sizes."""
    points = pd.DataFrame(
        {
            "series": comparison.series,
            "axis": comparison.growth.axis,
            "arithmetic": comparison.growth.exponent,
            "at": comparison.growth.at,
            "seconds": np.median([each.run.seconds for each in runs if each.side == "ours"]),
        }
        for comparison, runs in measured
        if comparison.growth is not None
    )
    rows = [
        {
            "case": case,
            "series": series,
            "axis": some["axis"].iloc[0],
            "exponent": slope(some["at"], some["seconds"]),
            "arithmetic": some["arithmetic"].iloc[0],
        }
        for series, some in (points.groupby("series", sort=False) if len(points) else ())
        if some["at"].nunique() > 1
    ]
    return pd.DataFrame(rows, columns=["case", "series", "axis", "exponent", "arithmetic"])


def slope(sizes: pd.Series, seconds: pd.Series) -> float:
    """Return the power of the size that seconds grow with, over the larger half of the sizes.

    It is the slope of their logarithms by least squares. At smaller sizes fixed costs show.
    """
    larger = sizes.nlargest(len(sizes) // 2 + 1).index
    return float(np.polyfit(np.log(sizes[larger]), np.log(seconds[larger]), 1)[0])


def write(table: pd.DataFrame, path: Path, about: Mapping[str, Any]) -> None:
    """Write a table to Parquet, with what it was measured on in its footer."""
    with written_aside(path) as aside:
        plain = pa.Table.from_pandas(table, preserve_index=False)
        footer = {FOOTER: json.dumps(dict(about), sort_keys=True).encode()}
        pq.write_table(plain.replace_schema_metadata(footer), aside, compression="zstd")


def about(path: Path) -> dict[str, Any]:
    """Return what a table was measured on."""
    return json.loads(pq.read_schema(path).metadata[FOOTER])

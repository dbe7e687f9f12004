"""What a run has come to, as text."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from benchmarks.case import Case

WIDTHS = {
    "case": 22,
    "series": 28,
    "size": 26,
    "ours": 9,
    "reference": 9,
    "ratio (range)": 22,
    "aim": 14,
    "": 6,
    "floors": 7,
    "differ": 8,
    "MB": 11,
}


def heading(case: Case) -> str:
    """Return what a case compares with what."""
    return f"\n{case.name}: {case.summary}\n  against {case.reference}\n"


def header() -> str:
    """Return the names of the columns of ``line``."""
    return _aligned({name: name for name in WIDTHS})


def line(row: Mapping[Hashable, Any]) -> str:
    """Return a row of the ratios as a line of text."""
    low, high = row["ratio_low"], row["ratio_high"]
    known = not math.isnan(row["ratio"])
    verdict = {True: "met", False: "missed"}.get(row["met"], "") if row["aim"] else ""
    return _aligned(
        {
            "case": row["case"],
            "series": row["series"],
            "size": row["size"],
            "ours": seconds(row["ours_s"]),
            "reference": seconds(row["reference_s"]),
            "ratio (range)": f"{row['ratio']:.3g} ({low:.3g} to {high:.3g})" if known else "",
            "aim": row["aim"] or "",
            "": verdict,
            "floors": _number(row["floors"], ".3g"),
            "differ": _number(row["difference"], ".0e"),
            "MB": _pair(row["ours_mb"], row["reference_mb"]),
        }
    )


def growth(table: pd.DataFrame) -> str:
    """Return how seconds grow with size, a line a series."""
    return "".join(
        f"{row['case']}, {row['series']}: seconds grow as {row['axis']}^{row['exponent']:.2f}, "
        f"operations as {row['axis']}^{row['arithmetic']:g}\n"
        for row in table.to_dict("records")
    )


def losses(table: pd.DataFrame) -> str:
    """Return the losses that curves end at, their median and range, a line a series."""
    if table.empty:
        return ""
    last = table.groupby(["case", "series", "side", "repetition"], sort=False)["loss"].last()
    found = last.groupby(["case", "series", "side"], sort=False).agg(["median", "min", "max"])
    return "".join(
        f"{', '.join(names)}: the loss ends at {low:.4f} to {high:.4f}, median {median:.4f}\n"
        for names, median, low, high in found.itertuples()
    )


def seconds(value: float) -> str:
    """Return a time in a unit that suits it."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "never"
    if value >= 100:
        return f"{value:.0f} s"
    unit, size = next(
        (pair for pair in {"s": 1.0, "ms": 1e-3}.items() if value >= pair[1]), ("µs", 1e-6)
    )
    return f"{value / size:.3g} {unit}"


def counted(number: int, thing: str) -> str:
    """Return a number of things, in the plural where it is not one."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def _pair(left: float, right: float) -> str:
    shown = [_number(value, ".0f") for value in (left, right)]
    return " | ".join(filter(None, shown))


def _aligned(cells: Mapping[str, str]) -> str:
    return " ".join(f"{cells[name]:<{width}}" for name, width in WIDTHS.items()).rstrip() + "\n"

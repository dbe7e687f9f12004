"""The curves that the page shows, from rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iclbench.plotting.style import FAMILIES
from iclbench.plotting.summaries import last_quarter, of_metric, over_seeds
from iclbench.records import RecordError, read
from iclbench.records.selection import DRAWN

METRICS = {
    "normalised_error": "error over that of predicting zero",
    "squared_error": "mean squared error",
}
"""What is shown, and what stands at its axis."""

DIGITS = 4
"""Significant digits of what a page shows; the rows have all."""


def tables_of(paths: Sequence[Path], root: Path) -> list[dict[str, Any]]:
    """Return the curves of each table of rows, as plain data.

    Of each metric and method they are two: against the context length, at the last iterate, and
    against the iterate, the mean over the last quarter of the context. A point is the geometric
    mean over seeds with its 95 % interval, and every seed's value.

    Args:
        paths: The tables of rows, of one study and task each.
        root: The folder that the page stands in, which links to rows begin at.

    Raises:
        RecordError: If a table is missing or damaged, or has none of the metrics shown.
    """
    return [_table(path, root) for path in paths]


def _table(path: Path, root: Path) -> dict[str, Any]:
    rows = read(path, columns=DRAWN, filters=[("metric", "in", list(METRICS))])
    if rows.empty:
        raise RecordError(
            f"{path}: no rows of {', '.join(METRICS)}; give tables that compare methods on a task"
        )
    study, task = (str(rows[column].iloc[0]) for column in ("study", "task"))
    families = rows.groupby("method")["family"].first()
    order = {family: place for place, family in enumerate(FAMILIES)}
    methods = sorted(families.index, key=lambda name: (order[families[name]], _natural(name)))
    return {
        "name": f"{study}/{task}",
        "scale": str(rows["scale"].iloc[0]),
        "rows": path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path),
        "families": {method: families[method] for method in methods},
        "metrics": {
            metric: {
                "position": _curves(_at_last_iterate(of_metric(rows, metric)), "position"),
                "iterate": _curves(last_quarter(of_metric(rows, metric)), "iterate"),
            }
            for metric in METRICS
            if (rows["metric"] == metric).any()
        },
    }


def _at_last_iterate(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[rows["position"].notna()]
    return rows[rows["iterate"] == rows.groupby("method")["iterate"].transform("max")]


def _curves(rows: pd.DataFrame, x: str) -> dict[str, dict[str, Any]]:
    """Return the curve of each method: ``x``, ``y``, ``low``, ``high``, and ``seeds``.

    ``seeds`` has the values of each seed where there are several.
    """
    if rows.empty:
        return {}
    points = over_seeds(rows, ["method", "family", x]).sort_values(["method", x])
    alone = {str(method): part for method, part in rows.groupby("method")}
    curves = {}
    for name, curve in points.groupby("method"):
        method = str(name)
        table = alone[method].pivot(index=x, columns="seed", values="value")
        seeds = table.reindex(curve[x].to_list())
        curves[method] = {
            "x": [int(value) for value in curve[x]],
            "y": _rounded(curve["value"]),
            "low": _rounded(curve["low"]),
            "high": _rounded(curve["high"]),
            "seeds": [_rounded(part) for _, part in seeds.items()] if seeds.shape[1] > 1 else [],
        }
    return curves


def _rounded(values: pd.Series) -> list[float | None]:
    """Return numbers with few digits, and None for what is none."""
    numbers = values.to_numpy(dtype=float, na_value=np.nan).tolist()
    return [float(f"{each:.{DIGITS}g}") if np.isfinite(each) else None for each in numbers]


def _natural(name: str) -> list[tuple[str, int]]:
    """Return a name's key of order, by which 2 comes before 10."""
    parts = re.findall(r"(\D*)(\d*)", name)
    return [(word, int(digits or 0)) for word, digits in parts]

"""Layer against iteration: how the error falls along the iterates of each method."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter, SymmetricalLogLocator

from iclbench.plotting.panels import (
    ERRORS,
    NAME_STEP,
    PAGE,
    Curve,
    Layout,
    curve_name,
    log_axis,
    make_panels,
    name_curves,
    names_width,
    note,
)
from iclbench.plotting.style import STYLE, looks
from iclbench.plotting.summaries import in_order, last_quarter, of_metric, over_seeds
from iclbench.records.selection import drawn_from


@drawn_from("normalised_error", last="quarter")
@mpl.rc_context(STYLE)
def iterates(rows: pd.DataFrame, task: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the normalised error at the last quarter of positions against layer and iteration.

    Transformers stand in the left panel, solvers in the right, on a common axis of errors; the
    references are level lines in both. Solvers without iterates are named in a note.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by method and iterate (see
        ``over_seeds``).
    """
    errors = last_quarter(of_metric(rows, "normalised_error", task))
    table = over_seeds(errors, ["task", "method", "family", "iterate"])
    lengths = table.groupby("method")["iterate"].transform("size")
    direct = table[(table["family"] == "solver") & (lengths == 1)]
    table = table.drop(direct.index).reset_index(drop=True)
    pairs = in_order(table)
    references = [pair for pair in pairs if pair[0] == "reference"]
    layers = [pair for pair in pairs if pair[0] in ("trained", "constructed")] + references
    iterations = [pair for pair in pairs if pair[0] == "solver"] + references
    most = max(len(layers), len(iterations))
    right = names_width(
        [curve_name(str(name), points["value"]) for name, points in table.groupby("method")]
    )
    layout = Layout(
        width=max(1.3, PAGE / 2 - Layout.left - right),
        height=max(2.3, (most + 2) * NAME_STEP),
        right=right,
        below=0.3,
        footer=0.75,
    )
    titles = ["Transformers", "Solvers"]
    figure, axes = make_panels(titles, 2, layout, f"{task}: layer against iteration", rows, table)
    styles = looks(rows)
    log_axis(axes, table["value"], **ERRORS)
    for panel, members, base in zip(axes, (layers, iterations), (2, 10), strict=True):
        panel.set_xscale("symlog", base=base, linthresh=1, linscale=0.4)
        panel.set_xlim(0, 1.1 * max(1.0, _deepest(table, members)))
        panel.xaxis.set_major_locator(SymmetricalLogLocator(base=base, linthresh=1))
        _draw(panel, table, members, styles)
    axes[0].xaxis.set_major_formatter(ScalarFormatter())
    axes[0].set_ylabel("normalised error, last quarter of positions")
    axes[0].set_xlabel("layer")
    axes[1].set_xlabel("iteration")
    if len(direct):
        note(figure, f"Without iterates: {', '.join(sorted(direct['method']))}", lines=4)
    return figure, table


def _deepest(table: pd.DataFrame, pairs: list[tuple[str, str]]) -> float:
    deepest = table.loc[table["method"].isin([method for _, method in pairs]), "iterate"].max()
    return 0.0 if pd.isna(deepest) else float(deepest)


def _draw(
    axes: Axes,
    table: pd.DataFrame,
    pairs: list[tuple[str, str]],
    styles: dict[tuple[str, str], dict[str, Any]],
) -> None:
    curves = []
    for family, method in pairs:
        points = table[table["method"] == method]
        style = dict(styles[family, method])
        last = axes.get_xlim()[1]
        if family == "reference":
            axes.axhline(points["value"].iloc[-1], label=method, **style)
        else:
            depth = points["iterate"].astype(float)
            last = depth.iloc[-1]
            if len(points) == 1:
                style["marker"] = style["marker"] or "."
            axes.plot(depth, points["value"], label=method, **style)
            axes.fill_between(
                depth, points["low"], points["high"], color=style["color"], alpha=0.15, lw=0
            )
        name = curve_name(method, points["value"])
        curves.append(Curve(last, points["value"].iloc[-1], name, style))
    name_curves(axes, curves)

"""Layer against iteration: how the error falls along the iterates of each method."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator

from iclbench.plotting.panels import (
    ERRORS,
    NAME_STEP,
    Curve,
    Layout,
    curve_name,
    log_axis,
    make_panels,
    name_curves,
    names_width,
    note,
)
from iclbench.plotting.style import STYLE, look
from iclbench.plotting.summaries import in_order, last_quarter, of_metric, over_seeds


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
    layout = Layout(
        width=2.1,
        height=max(2.3, (most + 2) * NAME_STEP),
        right=names_width(
            [curve_name(str(name), points["value"]) for name, points in table.groupby("method")]
        ),
        below=0.3,
        footer=0.55,
    )
    titles = ["Transformers", "Solvers"]
    figure, axes = make_panels(titles, 2, layout, f"{task}: layer against iteration", rows, table)
    log_axis(axes, table["value"], **ERRORS)
    axes[0].set_xlim(0.5, max(1.5, _deepest(table, layers) + 0.5))
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    longest = max(1, _deepest(table, iterations))
    axes[1].set_xscale("symlog", linthresh=1, linscale=0.4)
    axes[1].set_xlim(0, 1.1 * longest)
    axes[1].xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1))
    for panel, members in zip(axes, (layers, iterations), strict=True):
        _draw(panel, table, members)
    axes[0].set_ylabel("normalised error, last quarter of positions")
    axes[0].set_xlabel("layer")
    axes[1].set_xlabel("iteration")
    if len(direct):
        note(figure, f"Without iterates: {', '.join(sorted(direct['method']))}")
    return figure, table


def _deepest(table: pd.DataFrame, pairs: list[tuple[str, str]]) -> float:
    deepest = table.loc[table["method"].isin([method for _, method in pairs]), "iterate"].max()
    return 0.0 if pd.isna(deepest) else float(deepest)


def _draw(axes: Axes, table: pd.DataFrame, pairs: list[tuple[str, str]]) -> None:
    curves = []
    for family, method in pairs:
        points = table[table["method"] == method]
        style = look(method, family)
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

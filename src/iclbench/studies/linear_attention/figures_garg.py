"""Errors against the number of pairs seen: baselines by regression, and methods by prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iclbench.plotting.drawing import add_key, key_of, label_outer
from iclbench.plotting.panels import PAGE, Layout, make_panels, note
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric
from iclbench.studies.linear_attention.shifts import SHIFTS

LINES: dict[str, dict[str, Any]] = {
    "ols": {"color": "black", "linestyle": "-"},
    "averaging": {"color": COLOURS[1], "linestyle": (0, (4, 1.5))},
    "nearest_neighbours": {"color": COLOURS[2], "linestyle": (0, (1, 1))},
    "ridge": {"color": COLOURS[5], "linestyle": (0, (4, 1, 1, 1))},
    "lasso": {"color": COLOURS[6], "linestyle": (0, (6, 1.5))},
    "descended_network": {"color": COLOURS[3], "linestyle": "-"},
    "regression_tree": {"color": COLOURS[4], "linestyle": "-"},
    "regression_tree_signs": {"color": COLOURS[4], "linestyle": (0, (3, 1))},
    "boosted_trees": {"color": COLOURS[7], "linestyle": "-"},
    "boosted_trees_signs": {"color": COLOURS[7], "linestyle": (0, (3, 1))},
    "zero": {"color": "0.55", "linestyle": "-"},
}
OTHERS = (COLOURS[0], COLOURS[3], COLOURS[4], COLOURS[6])
WORDS = {
    "ols": "least squares",
    "lasso": "Lasso",
    "nearest_neighbours": "3 nearest neighbours",
    "descended_network": "trained network",
    "regression_tree": "greedy tree",
    "regression_tree_signs": "greedy tree, signs",
    "boosted_trees": "boosted trees",
    "boosted_trees_signs": "boosted trees, signs",
    "closed_form": "$1 - t/d$",
    "newton_gpt2": "trained GPT-2",
}
REGRESSIONS = ("linear", "noisy", "sparse", "quadratic", "relu_network", "decision_tree")
"""The order of the panels of baselines; others follow."""

TITLES = {
    "half_subspace": "half subspace",
    "overlapping": "query in context",
    "orthogonal": "orthogonal query",
    "quadrants": "random quadrants",
    "skewed": "skewed covariance",
    "noisy": "label noise",
    **{
        f"{of}_{name}": f"{of} × {factor}"
        for of in "xw"
        for name, factor in {"third": "1/3", "half": "1/2", "double": "2", "triple": "3"}.items()
    },
}
LOW, HIGH = 1.55, 2.1
"""Where the axes of errors end; 1 is the error of predicting zero, greedy trees err up to 2."""

ROUND = (1, 2, 5, 10)
"""Ticks stand at multiples of these, among them 1, the error of predicting zero."""

NAME = 1.4
"""Inches of the key that the name of a curve takes."""

KEYS = ["panel", "family", "method", "iterate", "position"]


class Grid(NamedTuple):
    """How panels are laid out: at most so many columns, their height, and where axes end."""

    columns: int
    height: float
    top: float


@mpl.rc_context(STYLE)
def garg_baselines(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the errors of baselines against the number of pairs seen, a panel a measurement.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by panel (the measurement),
        method and position, means over seeds.
    """
    table = _table(rows.assign(panel=rows["task"]))
    known = [f"baselines_{name}" for name in REGRESSIONS]
    panels = sorted(map(str, table["panel"].unique()))
    panels.sort(key=lambda name: known.index(name) if name in known else len(known))
    titles = [name.removeprefix("baselines_").replace("_", " ") for name in panels]
    return _drawn(rows, table, panels, titles, Grid(3, 1.5, HIGH), "Baselines")


@mpl.rc_context(STYLE)
def garg_prompts(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw errors against the number of pairs seen, a panel a kind of prompt.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by panel (the kind of
        prompt), method and position, means over seeds.
    """
    table = _table(rows.assign(panel=rows["reference"]))
    known = list(SHIFTS)
    panels = sorted(map(str, table["panel"].unique()), key=known.index)
    titles = [TITLES.get(name, name) for name in panels]
    return _drawn(
        rows, table, panels, titles, Grid(5, 0.95, LOW), "Prompts unlike those of training"
    )


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds of the errors and of the ends of their intervals."""
    parts = [
        of_metric(rows, metric).set_index([*KEYS, "seed"])["value"].rename(name)
        for metric, name in (
            ("normalised_error", "value"),
            ("error_low", "low"),
            ("error_high", "high"),
        )
    ]
    table = pd.concat(parts, axis=1).astype(float)
    seeds = table["value"].groupby(level=KEYS).size().rename("seeds")
    means = table.groupby(level=KEYS).mean()
    return means.join(seeds).reset_index()


def _drawn(
    rows: pd.DataFrame,
    table: pd.DataFrame,
    panels: Sequence[str],
    titles: Sequence[str],
    grid: Grid,
    title: str,
) -> tuple[Figure, pd.DataFrame]:
    columns = max(1, min(grid.columns, len(panels)))
    room = {"left": 0.28, "right": 0.1}
    margin = 0.2
    width = min((PAGE - margin) / columns - sum(room.values()), 3.1)
    looks = _looks(table)
    names = max(1, int((margin + columns * (width + sum(room.values()))) / NAME))
    footer = 0.55 + 0.16 * math.ceil(max(1, len(looks)) / names)
    layout = Layout(
        width=width, height=grid.height, margin=margin, below=0.27, footer=footer, **room
    )
    figure, axes = make_panels(list(titles) or [""], columns, layout, title, rows, table)
    for panel, name in zip(axes, panels, strict=False):
        found = table[table["panel"] == name]
        for method, look in looks.items():
            _curve(panel, found[found["method"] == method], method, look)
        panel.set_xlim(0, max(1, int(found["position"].max())))
    for panel in axes:
        panel.set_ylim(0, grid.top)
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=ROUND))
        panel.yaxis.set_major_locator(MaxNLocator(5, steps=ROUND))
    label_outer(axes, columns, "pairs seen $t$", "error / $E\\,y^2$")
    add_key(figure, key_of(axes), names)
    note(figure, "bands: 90 % bootstrap intervals over prompts")
    return figure, table


def _looks(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return how each method is drawn: trained models first, on top of the baselines."""
    families = dict(zip(table["method"], table["family"], strict=True))
    names = sorted(families, key=lambda name: (families[name] == "trained", name))
    spare = iter(OTHERS * (1 + len(names)))
    looks: dict[str, dict[str, Any]] = {}
    for name in names:
        if name == "closed_form":
            mark = {"linestyle": "", "marker": "o", "markersize": 3.2, "markevery": 2}
            looks[name] = {"color": "0.45", "markerfacecolor": "none", **mark}
        elif name in LINES:
            looks[name] = {"linewidth": 1.0, **LINES[name]}
        else:
            look = {"linestyle": "-", "linewidth": 1.2, "color": next(spare)}
            looks[name] = look | (
                {"marker": "o", "markersize": 2.2} if families[name] == "trained" else {}
            )
    return looks


def _curve(axes: Axes, points: pd.DataFrame, method: str, look: dict[str, Any]) -> None:
    if points.empty:
        return
    points = points.sort_values("position")
    x = points["position"].astype(float)
    name = WORDS.get(method, method.replace("_", " "))
    axes.plot(x, points["value"], label=name, **look)
    axes.fill_between(x, points["low"], points["high"], color=look["color"], alpha=0.15, lw=0)

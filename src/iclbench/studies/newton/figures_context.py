"""Trained models against the number of pairs seen: by data, by width, and what they forget."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iclbench.plotting.drawing import Key, add_key, draw_band, key_of, panels_of, shades
from iclbench.plotting.panels import log_axis
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric, over_seeds

SOLVER_ITERATES = 4
"""Of a solver that iterates, so many iterates are drawn, evenly spaced."""

FLOOR, CEILING = 1e-4, 1e1
REMARK = "geometric means, 95 % intervals over prompts of solvers, and of models"
REFERENCE: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 1.5)), "linewidth": 1.1}
SOLVERS = {r"newton$": "Newton", r"gd_fixed": "GD"}
"""What the names of solvers match, and what they are called."""


@mpl.rc_context(STYLE)
def newton_context(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the errors of trained models, at their last layer, between those of solvers' iterates.

    A panel a task and solver (``newton``, and what begins with ``gd_fixed``); least squares or,
    where labels are noisy, the Bayes predictor is drawn in all.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by task, method, iterate and
        position.
    """
    table = _by_position(rows)
    tasks = sorted(table["task"].unique())
    titles = [
        f"{task.replace('_', ' ')}: {words}"
        for task in tasks
        for words in ("Newton's iteration", "gradient descent")
    ]
    title = "Trained models between the iterates of solvers"
    trained = rows[rows["family"] == "trained"]
    figure, axes = panels_of(titles, title, trained, table, columns=2, footer=1.1, remark=REMARK)
    panels = iter(axes)
    for task in tasks:
        here = table[table["task"] == task]
        for solver, short in SOLVERS.items():
            panel = next(panels)
            _set_axes(panel, here)
            own = here[here["method"].str.match(solver).to_numpy(dtype=bool)]
            iterates = _spread(sorted(int(each) for each in own["iterate"].unique()))
            for colour, iterate in zip(shades(len(iterates)), iterates, strict=False):
                name = f"{short} {iterate}"
                _draw(panel, own[own["iterate"] == iterate], name, color=colour, linewidth=0.9)
            _draw_reference(panel, here)
            if solver != next(iter(SOLVERS)):
                panel.set_ylabel("")
            for place, (method, course) in enumerate(_trained(here).groupby("method")):
                look = {"marker": "osD^v"[place % 5], "markersize": 3, "linewidth": 1.2}
                name = str(method).removesuffix(f"_{task}").replace("_", " ")
                _draw(panel, course, name, color=COLOURS[place % len(COLOURS)], **look)
    add_key(figure, _in_columns(key_of(axes)), columns=len(SOLVERS) + 1)
    return figure, table


def _in_columns(key: Key) -> Key:
    """Return a key whose columns begin with the first iterate of each solver, and with the rest."""
    groups: dict[str, Key] = {short: [] for short in (*SOLVERS.values(), "")}
    for handle, name in key:
        short = next((each for each in SOLVERS.values() if name.startswith(f"{each} ")), "")
        groups[short].append((handle, name))
    height = max(len(group) for group in groups.values())
    blank = Line2D([], [], linestyle="none")
    return [
        each for group in groups.values() for each in [*group, *[(blank, "")] * height][:height]
    ]


@mpl.rc_context(STYLE)
def newton_width(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the errors of transformers of several widths, the methods ``newton_width_W``.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by method and position.
    """
    table = _by_position(rows)
    width = table["method"].str.extract(r"^newton_width_(\d+)$", expand=False).astype(float)
    table = table[width.notna() | (table["method"] == "ols")].assign(width=width)
    titles = ["Error against context", "Error with all pairs seen"]
    trained = rows[rows["family"] == "trained"]
    figure, axes = panels_of(titles, "Width", trained, table, columns=2, footer=0.75, remark=REMARK)
    for panel in axes:
        _set_axes(panel, table)
    sizes = sorted(int(size) for size in table["width"].dropna().unique())
    for colour, size in zip(shades(len(sizes)), sizes, strict=False):
        course = table[table["width"] == size]
        _draw(axes[0], course, f"width {size}", color=colour, marker="o", markersize=2.5)
        last = course[course["position"] == course["position"].max()]
        value = float(last["value"].iloc[0])
        bars = np.nan_to_num([[value - last["low"].iloc[0]], [last["high"].iloc[0] - value]])
        axes[1].errorbar([size], [value], yerr=bars, color=colour, marker="o", markersize=4)
    _draw_reference(axes[0], table)
    if sizes:
        axes[1].set_xscale("log", base=2)
        axes[1].set_xlim(sizes[0] / 1.4, sizes[-1] * 1.4)
        axes[1].set_xticks(sizes, [str(size) for size in sizes], minor=False)
    axes[1].set_xlabel("width of the residual stream")
    add_key(figure, key_of(axes[:1]), columns=6)
    return figure, table


@mpl.rc_context(STYLE)
def newton_memory(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw errors of transformers, LSTMs and solvers on new queries, and on old ones by their age.

    On old queries, rows of ``recall_error``; on new ones, the same methods at their last iterate.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by metric, method and
        position (new queries) or gap (old ones).
    """
    old = of_metric(rows, "recall_error")
    keys = ["method", "family"]
    old = over_seeds(old.assign(gap=old["reference_iterate"]), [*keys, "gap"])
    old = old.assign(metric="recall_error")
    names = sorted(old["method"].unique())
    new = _by_position(rows[rows["method"].isin(names)]).assign(metric="normalised_error")
    if len(new):
        last = new.groupby("method")["iterate"].transform("max")
        new = new[new["iterate"] == last]
    table = pd.concat([new, old], ignore_index=True)
    trained = rows[rows["family"] == "trained"]
    titles = ["New queries", "Queries that were seen before"]
    figure, axes = panels_of(
        titles, "What is forgotten", trained, table, columns=2, footer=0.75, remark=REMARK
    )
    _set_axes(axes[0], new)
    log_axis([axes[1]], old["value"], low=FLOOR, high=CEILING)
    axes[1].set_xlim(-0.5, max(1.0, float(old["gap"].max()) + 0.5) if len(old) else 1.0)
    for place, method in enumerate(names):
        look = {"color": COLOURS[place % len(COLOURS)], "marker": "osD^vPX"[place % 7]}
        look |= {"markersize": 2.6, "linewidth": 1.0}
        _draw(axes[0], new[new["method"] == method], method.replace("_", " "), **look)
        course = old[old["method"] == method].sort_values("gap")
        draw_band(axes[1], course["gap"].astype(float), course, **look)
    axes[1].set_xlabel("pairs in between")
    axes[1].set_ylabel("normalised error")
    add_key(figure, key_of(axes[:1]), columns=5)
    return figure, table


def _by_position(rows: pd.DataFrame) -> pd.DataFrame:
    errors = of_metric(rows, "normalised_error")
    errors = errors[errors["position"].notna() & (errors["position"] > 0)]
    if len(errors):
        is_last = errors["iterate"] == errors.groupby(["task", "method"])["iterate"].transform(
            "max"
        )
        errors = errors[is_last | (errors["family"] == "solver")]
    return over_seeds(errors, ["task", "method", "family", "iterate", "position"])


def _trained(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of trained models, those of a series of sizes left to their own figure."""
    is_of_a_series = table["method"].str.match(r"newton_width_\d+$").to_numpy(dtype=bool)
    return table[(table["family"] == "trained") & ~is_of_a_series]


def _spread(iterates: list[int]) -> list[int]:
    places = np.linspace(0, len(iterates) - 1, min(SOLVER_ITERATES, len(iterates)))
    return [iterates[place] for place in places.round().astype(int)]


def _set_axes(axes: Axes, table: pd.DataFrame) -> None:
    log_axis([axes], table["value"], low=FLOOR, high=CEILING)
    axes.set_xlim(0, max(1.0, float(table["position"].max())) if len(table) else 1.0)
    axes.set_xlabel("pairs seen, $t$")
    axes.set_ylabel("normalised error")


def _draw(axes: Axes, course: pd.DataFrame, label: str, **look: Any) -> None:
    course = course.sort_values("position")
    draw_band(axes, course["position"].astype(float), course, label=label, **look)


def _draw_reference(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the best that can be done: least squares, or the Bayes predictor where it differs."""
    found = {
        name: table[table["method"] == name].set_index("position") for name in ("bayes", "ols")
    }
    known = found["bayes"]["value"], found["ols"]["value"].reindex(found["bayes"].index)
    method, words = "ols", "least squares"
    if len(known[0]) and not np.allclose(*known, rtol=1e-6, atol=FLOOR / 10):
        method, words = "bayes", "Bayes"
    course = found[method]["value"].sort_index().clip(FLOOR / 10)
    if len(course):
        axes.plot(course.index.astype(float), course, label=words, **REFERENCE)

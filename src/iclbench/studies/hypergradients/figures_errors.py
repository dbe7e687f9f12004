"""The error of hypergradients against the distance from the inner solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from iclbench.plotting.drawing import FLOOR, Key, add_key, draw_band, key_of, label_outer, panels_of
from iclbench.plotting.panels import NAME_SIZE, NAME_STEP
from iclbench.plotting.style import STYLE
from iclbench.plotting.summaries import of_metric, over_quantiles
from iclbench.studies.hypergradients.looks import GREY, LOOKS

COLUMNS, HEIGHT = 3, 1.75
TITLES = {
    "diabetes_affine": "ridge, affine",
    "diabetes_quadratic": "ridge, quadratic",
    "cancer_weak": "logistic, weak penalty",
    "cancer_strong": "logistic, strong penalty",
    "line_affine": "ridge, affine",
    "line_quadratic": "ridge, quadratic",
    "line_quadratic_weak": "ridge, quadratic, weak",
    "line_logistic_weak": "logistic, weak penalty",
    "line_logistic": "logistic, strong penalty",
}
"""Titles of measurements; others go by their own names."""

NEWTON, IDEAL = "preconditioned_newton", "reparameterised_ideal"
EXACT = 1e-10
"""Errors that are all below are rounding."""

GUIDES: dict[int, tuple[float, ...]] = {1: (5, 2), 2: (1.5, 1.5)}
"""The dashes of the guides, by slope."""

FITTED = (1e-4, 1e-1)
"""The distances over which slopes are fitted, and guides drawn."""

TEXT_WIDTH = 0.62
"""The part of a panel's width that slopes are written over."""


@dataclass(frozen=True)
class Part:
    """A panel: a measurement and the estimators of it that are drawn."""

    task: str
    methods: tuple[str, ...]
    title: str


@mpl.rc_context(STYLE)
def hypergradient_errors(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the error of each estimator against the distance, and write its slope into the panel.

    A panel a measurement, or two where there is an ideal reparameterisation: it and Newton's
    preconditioner, whose errors may be rounding, and the others.

    Returns:
        The figure, and what it draws: by ``metric`` (``hypergradient_error``, at ``distance``, and
        ``slope``) the median over seeds as ``value``, with quartiles.
    """
    table = _table(rows)
    parts = _parts(table)
    is_on_the_way = "steps" in set(rows["metric"])
    where = "along gradient descent" if is_on_the_way else "on a line"
    figure, axes = panels_of(
        [part.title for part in parts],
        f"Errors of hypergradients {where}",
        rows,
        table,
        columns=COLUMNS,
        height=HEIGHT,
        footer=0.85 if len(parts) > 1 else 1.1,
    )
    for panel, part in zip(axes, parts, strict=False):
        own = table[(table["task"] == part.task) & table["method"].isin(part.methods)]
        _draw(panel, own, part.methods)
    for panel in axes[len(parts) :]:
        panel.set_xticks([])
    label_outer(axes, COLUMNS, r"distance $|x - x^*(y)|$", r"error $|\Gamma - \nabla h(y)|$")
    # A lone panel is half a page wide.
    add_key(figure, _ordered(key_of(axes)), columns=4 if len(parts) > 1 else 2)
    return figure, table


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return errors with the distance they are drawn at, and slopes, over seeds."""
    by = ["task", "method", "iterate"]
    errors = of_metric(rows, "hypergradient_error")
    errors = over_quantiles(errors[errors["method"].isin(list(LOOKS))], by)
    places = of_metric(rows, "distance")
    distances = over_quantiles(places[places["method"] == "inner"], ["task", "iterate"])
    distances = distances[["task", "iterate", "value"]].rename(columns={"value": "distance"})
    errors = errors.merge(distances, on=["task", "iterate"], how="left")
    slopes = of_metric(rows, "slope")
    slopes = slopes[slopes["reference"] == "distance"]
    # Over as many decades as there are: four, else three.
    most = slopes.groupby(["task", "method"])["reference_iterate"].transform("max")
    slopes = over_quantiles(
        slopes[slopes["reference_iterate"] == most], [*by, "reference_iterate"]
    ).rename(columns={"reference_iterate": "decades"})
    parts = {"hypergradient_error": errors, "slope": slopes}
    return pd.concat(
        [part.assign(metric=metric) for metric, part in parts.items()], ignore_index=True
    )


def _parts(table: pd.DataFrame) -> list[Part]:
    """Return the panels: measurements in the order of ``TITLES``, then by the alphabet."""
    tasks = sorted(set(table["task"]), key=lambda task: ([*TITLES, task].index(task), task))
    parts = []
    for task in tasks:
        here = table[(table["task"] == task) & (table["metric"] == "hypergradient_error")]
        present = set(here["method"])
        methods = tuple(method for method in LOOKS if method in present)
        title = str(TITLES.get(task, task.replace("_", " ")))
        few = tuple(method for method in methods if method in (NEWTON, IDEAL))
        if IDEAL in present and len(few) < len(methods):
            rest = tuple(method for method in methods if method not in few)
            parts += [Part(task, few, f"{title} (1)"), Part(task, rest, f"{title} (2)")]
        else:
            parts.append(Part(task, methods, title))
    return parts


def _draw(axes: Axes, table: pd.DataFrame, methods: Sequence[str]) -> None:
    errors = table[table["metric"] == "hypergradient_error"]
    finite = np.isfinite(errors["value"]) & np.isfinite(errors["distance"])
    drawn = errors[finite].sort_values("distance")
    columns = {name: drawn[name].clip(lower=FLOOR) for name in ("value", "low", "high")}
    drawn = drawn.assign(**columns)
    _scale(axes, drawn, len(methods))
    for index, method in enumerate(methods):
        points = drawn[drawn["method"] == method]
        look = LOOKS[method]
        every = max(1, len(points) // 5)
        start = index * every // max(1, len(methods))
        draw_band(
            axes,
            points["distance"],
            points,
            label=look.name,
            markevery=(start, every),
            **look.style,
        )
        slope = table.loc[(table["metric"] == "slope") & (table["method"] == method), "value"]
        axes.annotate(
            f"{look.short} {_words(slope, points['value'])}",
            (0, 1),
            (2, -72 * NAME_STEP * (index + 0.1)),
            xycoords="axes fraction",
            textcoords="offset points",
            size=NAME_SIZE,
            color=look.style["color"],
            va="top",
        )
    _guide(axes, drawn)


def _words(slope: pd.Series, errors: pd.Series) -> str:
    if len(slope) and np.isfinite(slope.iloc[0]):
        return f"{slope.iloc[0]:.2f}"
    return "exact" if len(errors) and errors.max() < EXACT else "none"


def _scale(axes: Axes, drawn: pd.DataFrame, lines: int) -> None:
    """Set logarithmic axes, with room for as many lines of text in the upper left corner."""
    axes.set_xscale("log")
    axes.set_yscale("log", nonpositive="clip")
    x = np.log10(drawn["distance"].to_numpy(dtype=float))
    y = np.log10(drawn["value"].to_numpy(dtype=float))
    if not len(x):
        x, y = np.array([-4.0, 1.0]), np.array([-4.0, 1.0])
    left, right = x.min() - 0.1, max(x.max(), x.min() + 1) + 0.25
    low = y.min() - 0.4
    beside = y[x < left + TEXT_WIDTH * (right - left)]
    free = 1 - (lines + 0.9) * NAME_STEP / HEIGHT
    # Rounding does not look like a course of errors.
    least = low + (8 if y.max() < np.log10(EXACT) else 2)
    top = max(y.max() + 0.3, least, low + (beside.max() + 0.15 - low) / free)
    axes.set_xlim(10**left, 10**right)
    axes.set_ylim(10**low, 10**top)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, numticks=7))
        axis.set_minor_locator(NullLocator())


def _guide(axes: Axes, drawn: pd.DataFrame) -> None:
    """Draw lines of slopes 1 and 2 that part below the least error that is not rounding."""
    errors = drawn.groupby("method")["value"].transform("max")
    near = drawn[(errors > EXACT) & drawn["distance"].between(*FITTED)]
    if near.empty:
        return
    last = near[near["distance"] > FITTED[1] / 3]
    end = float((last if len(last) else near)["value"].min()) / 3
    x = np.array(FITTED)
    for slope, dashes in GUIDES.items():
        y = end * (x / x[1]) ** slope
        axes.plot(x, y, label=f"slope {slope}", linestyle=(0, dashes), zorder=1, **GREY)


def _ordered(key: Key) -> Key:
    names = [look.name for look in LOOKS.values()] + [f"slope {slope}" for slope in GUIDES]
    return sorted(key, key=lambda entry: names.index(entry[1]))

"""In context: hypergradients by the depth of a transformer, and penalties tuned on the prompt."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator, StrMethodFormatter

from iclbench.plotting.drawing import (
    FLOOR,
    add_key,
    count_axis,
    draw_band,
    error_axis,
    key_of,
    label_outer,
    panels_of,
)
from iclbench.plotting.panels import Layout, make_panels, note
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric, over_quantiles, over_seeds
from iclbench.studies.hypergradients.looks import GREY, LOOKS

DISTANCE = "distance of $w_k$"

EXACT = 1e-10
"""Errors that are all below are rounding, and have a strip of their own."""

RATIOS = {"error_ratio": "error / oracle's", "excess_ratio": "excess / oracle's"}
"""What the rows of panels show, and the names of their axes."""

NOISES = {
    "tuning_01": "noise 0.1",
    "tuning_05": "noise 0.5",
    "tuning_2": "noise 2",
    "tuning_mixed": "noise 0.1 to 2",
}
"""Titles of measurements; others go by their own names."""

TUNED: dict[str, tuple[str, dict[str, Any]]] = {
    "bilevel": ("bilevel", {"color": COLOURS[0], "marker": "o", "linewidth": 1.2, "zorder": 4}),
    "cross_validated": (
        "cross-validated",
        {"color": COLOURS[1], "marker": "s", "linewidth": 1.2, "zorder": 3},
    ),
}
FIXED = "fixed_"
MARKERS = ("v", "D", "^", "P", "X")
LOW, HIGH = 0.9, 2.1
"""Where axes of ratios end at most; lines beyond leave them."""

CLOSE = 1.05
"""Up to this ratio of errors a penalty counts as tuned."""


@mpl.rc_context(STYLE)
def hypergradient_depth(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the relative error of each estimator against depth, and the distance of the iterate.

    Returns:
        The figure, and what it draws: by ``metric`` (``relative_error``, ``distance``), method and
        depth the median over seeds as ``value``, with quartiles.
    """
    parts = []
    for metric, methods in {"relative_error": [*LOOKS], "distance": ["inner"]}.items():
        found = of_metric(rows, metric)
        found = found[found["method"].isin(methods)]
        parts.append(over_quantiles(found, ["method", "iterate"]).assign(metric=metric))
    table = pd.concat(parts, ignore_index=True)
    layout = Layout(
        width=2.75, height=2.6, margin=0.05, right=0.1, above=0.05, below=0.3, footer=0.98
    )
    figure, (axes,) = make_panels(
        [""], 1, layout, "Hypergradients by depth, in context", rows, table
    )
    seeds = rows["seed"].nunique()
    note(figure, f"medians and quartiles over {seeds} {'seed' if seeds == 1 else 'seeds'}")
    drawn = table[np.isfinite(table["value"].astype(float))].sort_values("iterate")
    columns = {name: drawn[name].clip(lower=FLOOR) for name in ("value", "low", "high")}
    drawn = drawn.assign(**columns)
    is_exact = drawn.groupby("method")["value"].transform("max") < EXACT
    panels = [axes]
    if is_exact.any() and not is_exact.all():
        panels.append(_strip(figure, axes))
        _draw_depths(panels[1], drawn[is_exact], drawn["iterate"])
        panels[1].set_ylim(FLOOR / 2, max(1e-14, 2 * drawn.loc[is_exact, "value"].max()))
        drawn = drawn[~is_exact]
    _draw_depths(axes, drawn, table["iterate"])
    axes.set_ylabel(r"relative error $|\Gamma - h'| \,/\, |h'|$")
    panels[-1].set_xlabel("layers, $k$")
    names = [*(look.name for look in LOOKS.values()), DISTANCE]
    add_key(figure, sorted(key_of(panels), key=lambda entry: names.index(entry[1])), columns=2)
    return figure, table


def _strip(figure: Figure, axes: Axes) -> Axes:
    """Cut the lowest part off a panel, for what is exact to rounding."""
    box = axes.get_position()
    axes.set_position((box.x0, box.y0 + 0.24 * box.height, box.width, 0.76 * box.height))
    axes.tick_params(labelbottom=False)
    strip = figure.add_axes((box.x0, box.y0, box.width, 0.2 * box.height))
    # Slanted strokes, where the axis is broken.
    stroke = {"marker": [(-1, -0.6), (1, 0.6)], "markersize": 6, "color": "k", "clip_on": False}
    axes.plot([0], [0], transform=axes.transAxes, linestyle="", mew=0.6, **stroke)
    strip.plot([0], [1], transform=strip.transAxes, linestyle="", mew=0.6, **stroke)
    return strip


def _draw_depths(axes: Axes, drawn: pd.DataFrame, depths: pd.Series) -> None:
    error_axis(axes, drawn)
    count_axis(axes, depths, base=10)
    styles = {method: (look.name, look.style) for method, look in LOOKS.items()}
    styles["inner"] = (DISTANCE, {"linestyle": (0, (5, 2)), "zorder": 1, **GREY})
    for method, (name, style) in styles.items():
        points = drawn[drawn["method"] == method]
        if len(points):
            draw_band(axes, points["iterate"], points, label=name, **style)


@mpl.rc_context(STYLE)
def ridge_tuning(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the error of tuned and of fixed penalties over the oracle's, against pairs seen.

    A column a measurement; above the error on labels, below the excess over the noise.

    Returns:
        The figure, and what it draws: by ``metric``, ``task``, method and position the geometric
        mean over seeds as ``value``, with its interval (see ``over_seeds``).
    """
    found = pd.concat([of_metric(rows, metric) for metric in RATIOS])
    found = found[found["method"].isin(list(TUNED)) | found["method"].str.startswith(FIXED)]
    table = over_seeds(found, ["metric", "task", "method", "family", "position"])
    table = table.assign(position=table["position"].astype(int))
    tasks = sorted(set(table["task"]), key=lambda task: ([*NOISES, task].index(task), task))
    titles = [str(NOISES.get(task, task.replace("_", " "))) for task in tasks]
    columns = max(1, len(tasks))
    figure, axes = panels_of(
        [*titles, *("" for _ in tasks)],
        "Penalties tuned on the prompt, against the oracle's",
        rows,
        table,
        columns=columns,
        height=1.35,
        footer=0.85,
        remark="geometric means and 95 % intervals",
    )
    styles = _styles(table)
    for panel in axes[2 * len(tasks) :]:
        panel.set_xticks([])
    for index, panel in enumerate(axes[: 2 * len(tasks)]):
        metric, task = list(RATIOS)[index // columns], tasks[index % columns]
        own = table[(table["metric"] == metric) & (table["task"] == task)]
        _draw_ratios(panel, own, styles, is_error=metric == "error_ratio")
    label_outer(axes, columns, "pairs seen, $t$", "")
    for panel, name in zip(axes[::columns], RATIOS.values(), strict=False):
        panel.set_ylabel(name)
    add_key(figure, key_of(axes), columns=4)
    return figure, table


def _styles(table: pd.DataFrame) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name and look of each method: fixed penalties darken as they grow."""
    fixed = sorted(
        {method for method in table["method"] if method.startswith(FIXED)},
        key=lambda method: float(method.removeprefix(FIXED)),
    )
    tones = mpl.colormaps["YlOrBr"](np.linspace(0.35, 0.95, max(1, len(fixed))))
    found = dict(TUNED)
    for index, (method, tone) in enumerate(zip(fixed, tones, strict=False)):
        look = {"color": tuple(tone), "marker": MARKERS[index % len(MARKERS)], "linewidth": 0.9}
        found[method] = (f"λ = {float(method.removeprefix(FIXED)):g}", look)
    return found


def _draw_ratios(
    axes: Axes,
    table: pd.DataFrame,
    styles: dict[str, tuple[str, dict[str, Any]]],
    *,
    is_error: bool,
) -> None:
    axes.set_ylim(LOW, HIGH)
    axes.yaxis.set_major_locator(MultipleLocator(0.2))
    for method, (name, look) in styles.items():
        points = table[(table["method"] == method) & table["value"].notna()]
        if len(points):
            points = points.sort_values("position")
            axes.plot(points["position"], points["value"], label=name, markersize=2.8, **look)
            if method in TUNED:
                low, high = (points[end].clip(LOW / 2, 2 * HIGH) for end in ("low", "high"))
                color = look["color"]
                axes.fill_between(points["position"], low, high, color=color, alpha=0.15, lw=0)
    axes.axhline(1, label="oracle", color="black", linestyle=(0, (4, 1.5)), linewidth=0.8, zorder=2)
    if is_error:
        axes.axhspan(1, CLOSE, color="0.88", lw=0, zorder=0, label=f"up to {CLOSE:g}")
    numbers = sorted(set(table["position"]))
    if numbers:
        axes.xaxis.set_major_locator(FixedLocator(numbers))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        margin = 0.05 * max(1, numbers[-1] - numbers[0])
        axes.set_xlim(numbers[0] - margin, numbers[-1] + margin)

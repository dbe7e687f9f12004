"""Trained models on Haar sequences: how depth, heads and augmented tokens help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    ScalarFormatter,
)

from iclbench.plotting.panels import (
    NAME_STEP,
    PAGE,
    Curve,
    Layout,
    log_axis,
    make_panels,
    name_curves,
    names_width,
)
from iclbench.plotting.style import COLOURS, STYLE, looks
from iclbench.plotting.summaries import of_metric, over_seeds

AUGMENTED, PLAIN = "augmented", "plain"
BELOW = 10.0
"""Baselines further below the least error of a model than this factor are named, not drawn."""


@mpl.rc_context(STYLE)
def icar_depth(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the test error of augmented models against depth, and their training, with baselines.

    The models are the methods ``augmented_L``, L the number of layers, at their last layer; the
    baselines are the solvers and references at their last iterate.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by method, metric
        (``squared_error``, ``training_loss``) and ``size`` (L), or step.
    """
    errors, training = _errors(rows, AUGMENTED), _training(rows)
    table = pd.concat([errors, training], ignore_index=True)
    baselines = errors[errors["size"].isna()]
    models = errors[errors["size"].notna()]
    sizes = sorted(int(size) for size in models["size"])
    colours = dict(zip(sizes, _sequence(len(sizes)), strict=True))
    titles = ["Test error against depth", "Training"]
    others = [f"L = {size}" for size in sizes]
    figure, axes = _make(titles, "Depth on augmented tokens", rows, table, baselines, others)
    _scale(axes, _in_sight(models, baselines, training["value"]))
    _against_size(axes[0], models, COLOURS[0], colours)
    _level_lines(axes[0], rows, baselines)
    axes[1].set_xlim(0, float(training["iterate"].max()) if len(training) else 1.0)
    _courses(axes[1], training, "iterate", colours, "L")
    axes[1].xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes[1].xaxis.set_major_formatter(EngFormatter(sep=""))
    axes[0].set_xlabel("layers $L$")
    axes[0].set_ylabel("mean square error")
    axes[1].set_xlabel("step")
    axes[1].set_ylabel("training loss")
    return figure, table


@mpl.rc_context(STYLE)
def icar_heads(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the test error of one-layer models on plain tokens against their number of heads.

    The models are the methods ``plain_H``, H the number of heads; level lines are the model
    ``augmented_1``, solvers and references. The right panel shows the error by position.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by method, ``size`` (H), and
        position (null: averaged).
    """
    errors = _errors(rows, PLAIN, also=f"{AUGMENTED}_1")
    places = _errors(rows, PLAIN, also=f"{AUGMENTED}_1", by_position=True)
    table = pd.concat([errors, places], ignore_index=True)
    baselines = errors[errors["size"].isna()]
    titles = ["Test error against heads", "Error against context"]
    models = errors[errors["size"].notna()]
    sizes = sorted(int(size) for size in models["size"])
    colours = dict(zip(sizes, _sequence(len(sizes)), strict=True))
    others = [f"{AUGMENTED}_1", *(f"H = {size}" for size in sizes)]
    figure, axes = _make(titles, "Heads on plain tokens", rows, table, baselines, others)
    one = places[places["method"] == f"{AUGMENTED}_1"]
    seen = pd.concat([places.loc[places["size"].notna(), "value"], one["value"]])
    _scale(axes, _in_sight(models, baselines, seen))
    axes[0].set_xscale("log", base=2)
    _against_size(axes[0], models, COLOURS[1], colours)
    _level_lines(axes[0], rows, baselines)
    axes[1].set_xlim(0, max(1.0, float(places["position"].max())) if len(places) else 1.0)
    curves = [] if one.empty else [_augmented(axes[1], rows, one)]
    _courses(axes[1], places[places["size"].notna()], "position", colours, "H", curves)
    axes[0].set_xlabel("heads $H$")
    axes[0].set_ylabel("mean square error")
    axes[1].set_xlabel("pairs seen, $t$")
    return figure, table


def _errors(
    rows: pd.DataFrame, stem: str, also: str | None = None, by_position: bool = False
) -> pd.DataFrame:
    """Return the errors of the models STEM_N, of another one, of solvers and references."""
    errors = of_metric(rows, "squared_error")
    errors = errors[errors["position"].notna() == by_position]
    size = errors["method"].str.extract(rf"^{stem}_(\d+)$", expand=False).astype(float)
    size = size.where(errors["family"] == "trained")
    is_baseline = errors["family"].isin(["solver", "reference"]) | (errors["method"] == also)
    errors = errors.assign(size=size)[size.notna() | is_baseline]
    iterates = errors.groupby("method")["iterate"]
    errors = errors.assign(iterates=iterates.transform("nunique"))
    errors = errors[errors["iterate"] == iterates.transform("max")]
    keys = ["method", "family", "iterate", "iterates"]
    if by_position:
        keys.append("position")
    table = over_seeds(errors, keys)
    sizes = errors.drop_duplicates("method").set_index("method")["size"]
    table = table.assign(metric="squared_error", size=table["method"].map(sizes).astype(float))
    if not by_position:
        table["position"] = pd.array([None] * len(table), dtype="Int32")
    return table


def _training(rows: pd.DataFrame) -> pd.DataFrame:
    losses = of_metric(rows, "training_loss")
    size = losses["method"].str.extract(rf"^{AUGMENTED}_(\d+)$", expand=False).astype(float)
    losses = losses.assign(size=size)[size.notna()]
    table = over_seeds(losses, ["method", "family", "iterate", "size"])
    return table.assign(metric="training_loss")


def _make(
    titles: list[str],
    title: str,
    rows: pd.DataFrame,
    table: pd.DataFrame,
    baselines: pd.DataFrame,
    others: list[str],
) -> tuple[Figure, list[Axes]]:
    names = [[_name(row, np.inf) for row in baselines.to_dict("records")], others]
    rights = [names_width(each) for each in names]
    width = (PAGE - sum(rights)) / 2 - Layout.left
    high = max(2.0, NAME_STEP * (max(map(len, names)) + 1))
    layout = Layout(width=width, height=high, right=sum(rights) / 2, below=0.2)
    figure, axes = make_panels(titles, 2, layout, title, rows, table)
    box = axes[1].get_position()
    axes[1].set_position((1 - (rights[1] + width) / PAGE, box.y0, box.width, box.height))
    return figure, axes


def _scale(panels: Sequence[Axes], values: pd.Series) -> None:
    log_axis(panels, values, low=1e-8, high=1e4)
    low, high = panels[0].get_ylim()
    if high / low < 300:
        for axes in panels:
            axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _in_sight(models: pd.DataFrame, baselines: pd.DataFrame, more: pd.Series) -> pd.Series:
    values = pd.concat([models["value"], models["low"], models["high"], more]).astype(float)
    values = values[np.isfinite(values) & (values > 0)]
    floor = values.min() / BELOW if len(values) else 0.0
    others = baselines["value"].astype(float)
    return pd.concat([values, others[others > floor]], ignore_index=True)


def _against_size(axes: Axes, models: pd.DataFrame, colour: str, colours: dict[int, Any]) -> None:
    models = models.sort_values("size")
    axes.plot(models["size"], models["value"], color=colour, linewidth=1.0, zorder=2.5)
    for row in models.to_dict("records"):
        if np.isfinite(row["low"]):
            axes.plot([row["size"]] * 2, [row["low"], row["high"]], color=colour, linewidth=1.0)
        dot = colours[int(row["size"])]
        axes.plot(row["size"], row["value"], "o", color=dot, markersize=5, mec=colour, zorder=3)
    axes.xaxis.set_major_locator(FixedLocator(sorted(models["size"])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    if len(models):
        first, last = models["size"].min(), models["size"].max()
        is_log = axes.get_xscale() == "log"
        axes.set_xlim(*((first / 1.25, last * 1.25) if is_log else (first - 0.3, last + 0.3)))


def _level_lines(axes: Axes, rows: pd.DataFrame, baselines: pd.DataFrame) -> None:
    low = axes.get_ylim()[0]
    curves = []
    for row in baselines.to_dict("records"):
        look = _look(rows, row["method"], row["family"])
        value = float(row["value"])
        if value > low:
            axes.axhline(value, **look)
        curves.append(Curve(axes.get_xlim()[1], value, _name(row, low), look))
    name_curves(axes, curves)


def _courses(
    axes: Axes,
    table: pd.DataFrame,
    along: str,
    colours: dict[int, Any],
    letter: str,
    curves: Sequence[Curve] = (),
) -> None:
    named = list(curves)
    for size, course in table.groupby("size"):
        steps = course[along].astype(float)
        look = {"color": colours.get(int(str(size).removesuffix(".0")), "0.5"), "linewidth": 1.0}
        axes.plot(steps, course["value"], **look)
        axes.fill_between(steps, course["low"], course["high"], alpha=0.15, lw=0, fc=look["color"])
        end = float(course["value"].iloc[-1])
        named.append(Curve(steps.iloc[-1], end, f"${letter} = {size:.0f}$", look))
    name_curves(axes, named)


def _augmented(axes: Axes, rows: pd.DataFrame, course: pd.DataFrame) -> Curve:
    look = _look(rows, f"{AUGMENTED}_1", "trained")
    seen = course["position"].astype(float)
    axes.plot(seen, course["value"], **look)
    return Curve(seen.iloc[-1], float(course["value"].iloc[-1]), f"{AUGMENTED}_1", look)


def _look(rows: pd.DataFrame, method: str, family: str) -> dict[str, Any]:
    return looks(rows)[family, method] | {"marker": ""}


def _name(row: Any, low: float = 0.0) -> str:
    name = row["method"]
    if row["iterates"] > 1 and row["family"] == "solver":
        name += f" ({row['iterate']} steps)"
    if not np.isfinite(row["value"]):
        return f"{name} (diverged)"
    return name if row["value"] > low else f"{name} (below)"


def _sequence(count: int) -> list[Any]:
    return [mpl.colormaps["viridis"](at) for at in np.linspace(0, 0.9, max(1, count))][:count]

"""Training curves: the loss of every trained model against the step."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from iclbench.plotting.panels import PAGE, Layout, log_axis, make_panels, names_width
from iclbench.plotting.style import STYLE, looks
from iclbench.plotting.summaries import of_metric

COLUMNS = 4


@mpl.rc_context(STYLE)
def training(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the training loss of every model against the step, a panel a task.

    Lines are medians over seeds, bands reach from the lowest seed to the highest. Where a seed
    diverges, its model's line ends in a cross.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by task, method and step.
    """
    losses = of_metric(rows, "training_loss")
    groups = losses.groupby(["task", "method", "iterate"])["value"]
    table = groups.agg(["size"]).rename(columns={"size": "seeds"})
    table["value"] = groups.median(skipna=False)
    table["low"], table["high"] = groups.min(skipna=False), groups.max(skipna=False)
    table = table.reset_index()
    tasks = sorted(table["task"].unique())
    methods = sorted(table["method"].unique())

    styles = {name: look for (family, name), look in looks(rows).items() if family == "trained"}

    margin, left, right = 0.15, 0.4, 0.1
    width = (PAGE - margin) / COLUMNS - left - right
    columns = max(1, min(COLUMNS, len(tasks)))
    wide = margin + columns * (left + width + right)
    across = max(1, int(wide / (names_width(methods) + 0.1)))
    keys = -(-len(methods) // across)
    layout = Layout(
        width=width,
        height=1.05,
        margin=margin,
        left=left,
        right=right,
        below=0.22,
        footer=0.6 + 0.14 * keys,
    )
    figure, axes = make_panels(tasks or [""], COLUMNS, layout, "Training", rows, table)
    for index, (panel, task) in enumerate(zip(axes, tasks, strict=False)):
        _draw(panel, table[table["task"] == task], styles)
        if index % columns == 0:
            panel.set_ylabel("training loss")
        if index >= len(tasks) - columns:
            panel.set_xlabel("step")
    handles = [Line2D([], [], label=name, **styles[name]) for name in methods]
    place = (0.5, 0.2 / figure.get_figheight())
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=across, bbox_to_anchor=place)
    return figure, table


def _draw(axes: Axes, table: pd.DataFrame, styles: dict[str, dict[str, Any]]) -> None:
    log_axis([axes], table["value"], low=1e-12, high=1e12)
    for index, (name, points) in enumerate(table.groupby("method")):
        method = str(name)
        style = styles[method]
        steps = points["iterate"].astype(float)
        every = max(1, len(points) // 4)
        start = index * every // max(1, table["method"].nunique())
        axes.plot(steps, points["value"], label=method, markevery=(start, every), **style)
        axes.fill_between(
            steps, points["low"], points["high"], color=style["color"], alpha=0.15, lw=0
        )
        finite = np.flatnonzero(points["value"].notna())
        if 0 < len(finite) < len(points):
            last = points.iloc[finite[-1]]
            axes.plot(
                last["iterate"], last["value"], "x", color=style["color"], ms=7, mew=2, zorder=5
            )
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))

"""Trained layers of linear self-attention against steps of gradient descent and GD++."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from iclbench.plotting.drawing import add_key, key_of
from iclbench.plotting.panels import PAGE, Layout, log_axis, make_panels, note
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric

SOLVERS = {
    "gd": ("gradient descent", {"color": "black", "linestyle": "-"}),
    "gd_plus_plus": ("GD++", {"color": COLOURS[5], "linestyle": (0, (4, 1.5))}),
}
CURVES = {
    "loss_in_training": "loss / loss of GD",
    "distance_in_training": "$|$difference of predictions$|$",
    "cosine_in_training": "cosine of sensitivities",
}
TITLES = (
    "Loss after training",
    "Loss against training steps",
    "Predictions against gradient descent's",
    "Sensitivities against gradient descent's",
)
METRICS = ("loss", "probe_loss", *CURVES)


@mpl.rc_context(STYLE)
def linear_self_attention(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw losses by the number of layers or steps, and what training does, a curve a depth.

    Returns:
        The figure, and what it draws: ``value`` by metric, method, seed, ``iterate`` (layers or
        steps) and ``reference_iterate`` (training steps); losses in training are divided by that
        of gradient descent on the same prompts.
    """
    columns = ["metric", "family", "method", "seed", "iterate", "reference_iterate", "value"]
    table = pd.concat([of_metric(rows, name) for name in METRICS])[columns]
    table = _relative(table.reset_index(drop=True))
    layout = Layout(width=PAGE / 2 - 0.62, height=1.3, left=0.5, right=0.1, below=0.36, footer=0.6)
    title = "Layers of linear self-attention and steps of gradient descent"
    figure, axes = make_panels(TITLES, 2, layout, title, rows, table)
    _losses(axes[0], table[table["metric"] == "loss"])
    names = _networks(table)
    for panel, (metric, label) in zip(axes[1:], CURVES.items(), strict=True):
        found = table[table["metric"] == metric]
        for name, colour in names.items():
            _course(panel, found[found["method"] == name], name, colour)
        panel.set_xscale("symlog", linthresh=10, linscale=0.4)
        most = found["reference_iterate"].max() if len(found) else 10
        panel.set_xlim(0, max(10, int(most)))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xlabel("training step", labelpad=1)
        panel.set_ylabel(label, labelpad=2)
    relative = table.loc[table["metric"] == "loss_in_training", "value"]
    _log_axis(axes[1], relative, 0.1, 10.0)
    axes[1].axhline(1, **{**SOLVERS["gd"][1], "linewidth": 0.8})
    distances = table.loc[table["metric"] == "distance_in_training", "value"]
    _log_axis(axes[2], distances, 1e-3, 10.0)
    axes[3].set_ylim(min(0.0, _least(table)), 1.02)
    axes[3].yaxis.set_major_locator(MaxNLocator(5))
    add_key(figure, key_of(axes), 6)
    note(figure, "lines: medians, bands: all seeds")
    return figure, table


def _relative(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with losses in training over gradient descent's on the same prompts."""
    is_probe = table["metric"].eq("probe_loss")
    of_gd = table[is_probe & table["method"].eq("gd")].set_index(["seed", "iterate"])["value"]
    keys = pd.MultiIndex.from_frame(table[["seed", "iterate"]])
    unit = of_gd.reindex(keys).to_numpy(dtype=float)
    is_loss = table["metric"].eq("loss_in_training").to_numpy()
    values = table["value"].astype(float)
    return table.assign(value=np.where(is_loss, values / unit, values))[~is_probe]


def _networks(table: pd.DataFrame) -> dict[str, str]:
    """Return the colour of every trained network, by depth and name."""
    trained = table[table["family"] == "trained"]
    depths = trained.groupby("method")["iterate"].max()
    names = sorted(depths.index, key=lambda name: (depths[name], name))
    places = (0, 1, 2, 4, 6, 7, 3)
    return {name: COLOURS[places[turn % len(places)]] for turn, name in enumerate(names)}


def _losses(axes: Axes, table: pd.DataFrame) -> None:
    for method, (label, look) in SOLVERS.items():
        means = table[table["method"] == method].groupby("iterate")["value"].mean()
        style = {"marker": "s", "markersize": 3, "linewidth": 0.9, **look}
        axes.plot(means.index.to_numpy(float), means.to_numpy(float), label=label, **style)
    for name, colour in _networks(table).items():
        found = table[table["method"] == name]
        depth, loss = found["iterate"].astype(float), found["value"].astype(float)
        axes.plot(depth, loss, "o", color=colour, markersize=4, alpha=0.75, zorder=3)
    depths = sorted({int(depth) for depth in table["iterate"]}) or [1, 2]
    axes.set_xlim(depths[0] - 0.4, depths[-1] + 0.4)
    axes.set_xticks(depths)
    axes.set_xlabel("layers, or steps of gradient descent", labelpad=1)
    axes.set_ylabel("mean squared error", labelpad=2)
    _log_axis(axes, table["value"], 1e-4, 1e4)


def _course(axes: Axes, table: pd.DataFrame, name: str, colour: str) -> None:
    if table.empty:
        return
    values = table.pivot(index="reference_iterate", columns="seed", values="value").astype(float)
    steps = values.index.to_numpy(dtype=float)
    depth = int(table["iterate"].max())
    look: dict[str, Any] = {"color": colour, "linewidth": 1.2, "marker": "o", "markersize": 2.2}
    label = f"{depth} trained layer{'s' if depth > 1 else ''}"
    known = [name == "" or name.endswith(f"_{depth}")]
    axes.plot(steps, values.median(axis=1), label=label if all(known) else name, **look)
    axes.fill_between(steps, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.15, lw=0)


def _log_axis(axes: Axes, values: pd.Series, low: float, high: float) -> None:
    """Give a panel a logarithmic axis with plain numbers, as its range is short."""
    log_axis([axes], values, low, high)
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _least(table: pd.DataFrame) -> float:
    values = table.loc[table["metric"] == "cosine_in_training", "value"].dropna()
    return float(values.min()) - 0.03 if len(values) else 0.0

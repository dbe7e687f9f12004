"""Positional weights as the law of the sequences concentrates."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from iclbench.plotting.panels import stamp
from iclbench.plotting.style import STYLE
from iclbench.plotting.summaries import of_metric

MOST = 4
SIGNED = mpl.colormaps["RdBu_r"].with_extremes(bad="0.88")
WIDE, HIGH = 7.0, 4.5
CIRCLES: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markersize": 3,
    "markerfacecolor": "none",
    "markeredgewidth": 0.7,
}


@mpl.rc_context(STYLE)
def icar_positional(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the learned positional weights, their last row, and its closed form, by mu.

    Returns:
        The figure, and what it draws: ``value`` by method, metric (``P``, ``weight``,
        ``iterations``), seed, ``mu``, row and column.
    """
    names = {"iterate": "mu", "reference_iterate": "row", "position": "column"}
    table = pd.concat(of_metric(rows, name) for name in ("P", "weight", "iterations"))
    table = table.rename(columns=names)[["method", "metric", "seed", *names.values(), "value"]]
    table = table.reset_index(drop=True)
    mus = sorted(int(mu) for mu in table["mu"].unique())
    figure = Figure(figsize=(WIDE, HIGH))
    figure.text(
        0.08 / WIDE,
        1 - 0.08 / HIGH,
        "Positional weights learned from concentrating laws",
        size=8.5,
        weight="bold",
        va="top",
    )
    stamp(figure, rows, table)
    if mus:
        _maps(figure, table[(table["metric"] == "P") & (table["method"] == "gradient_descent")])
        _profiles(figure, table, mus)
    return figure, table


def _maps(figure: Figure, entries: pd.DataFrame) -> None:
    mus = sorted(int(mu) for mu in entries["mu"].unique())
    if len(mus) > MOST:
        mus = [mus[round(at)] for at in np.linspace(0, len(mus) - 1, MOST)]
    values = entries["value"].dropna()
    least, most = min(0.0, values.min()), max(1e-12, values.max())
    if values.empty:
        least, most = -1.0, 1.0
    most = max(most, -least)
    norm = TwoSlopeNorm(0, -most, most)
    side, gap, left = 1.3, 0.2, 0.55
    image = None
    for index, mu in enumerate(mus):
        box = (left + index * (side + gap), HIGH - 0.5 - side, side, side)
        axes = _add(figure, box)
        axes.grid(visible=False)
        chosen = entries[entries["mu"] == mu]
        P = chosen.pivot(index="row", columns="column", values="value").to_numpy(dtype=float)
        P = np.where(np.tri(*P.shape, 1), P, np.nan)
        extent = (0.5, P.shape[1] + 0.5, P.shape[0] + 0.5, 0.5)
        image = axes.imshow(P, cmap=SIGNED, norm=norm, extent=extent, aspect="auto")
        axes.set_title(f"$\\mu = {mu}$", pad=3)
        axes.set_xlabel("attended $t$", labelpad=1)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        if index == 0:
            axes.set_ylabel("query $T-1$", labelpad=2)
        else:
            axes.set_yticklabels([])
    if image is not None:
        right = left + len(mus) * (side + gap) - gap + 0.1
        bar = _add(figure, (right, HIGH - 0.5 - side, 0.07, side))
        figure.colorbar(image, cax=bar)
        bar.set_ylim(least, most)
        bar.tick_params(width=0.4)
        bar.grid(visible=False)


def _profiles(figure: Figure, table: pd.DataFrame, mus: list[int]) -> None:
    axes = _add(figure, (0.55, 0.42, 6.3, 1.65))
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.88, len(mus)))
    weights = table[table["metric"] == "weight"]
    steps = table[table["metric"] == "iterations"].groupby("mu")["value"].mean()
    handles = []
    for mu, colour in zip(mus, colours, strict=True):
        chosen = weights[weights["mu"] == mu]
        learned = chosen[chosen["method"] == "gradient_descent"].groupby("column")["value"]
        columns = learned.mean().index.to_numpy(dtype=float) + 1
        axes.fill_between(columns, learned.min(), learned.max(), color=colour, alpha=0.25, lw=0)
        axes.plot(columns, learned.mean(), color=colour, linewidth=1.2)
        closed = chosen[chosen["method"] == "stopped_descent"].groupby("column")["value"].mean()
        spots = closed.index.to_numpy(dtype=float) + 1
        axes.plot(spots, closed, color=colour, **CIRCLES)
        name = f"$\\mu = {mu}$, {steps.get(mu, np.nan):.0f} steps"
        handles.append(Line2D([], [], color=colour, linewidth=1.2, label=name))
    handles.append(Line2D([], [], color="0.3", label="closed form", **CIRCLES))
    axes.axhline(0, color="0.5", linewidth=0.5)
    last = int(weights["column"].max()) + 1
    axes.set_xlim(0.5, last + 0.5)
    if weights["value"].isna().all():
        axes.set_ylim(-1, 1)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_title(f"Last row: the weights at query $T-1 = {last - 1}$", pad=3)
    axes.set_xlabel("attended $t$", labelpad=1)
    axes.set_ylabel("weight $p_t$", labelpad=2)
    axes.legend(handles=handles, loc="upper left")


def _add(figure: Figure, inches: tuple[float, float, float, float]) -> Axes:
    left, bottom, width, height = inches
    return figure.add_axes((left / WIDE, bottom / HIGH, width / WIDE, height / HIGH))

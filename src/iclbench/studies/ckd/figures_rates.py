"""Rates of convergence of the depth limit: measured against predicted."""

from __future__ import annotations

from math import log

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclbench.plotting.drawing import add_key, key_of, panels_of
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric
from iclbench.studies.ckd.drawing import colour_of, title_of

COLUMNS = 3
CLOSE = 0.9
"""The ratio |lambda_2| / |lambda_1| from which on ten periods do not single out lambda_1."""
TITLES = ("Orthogonal f, linear kernel", "Periodic: Gauss–Seidel", "Periodic: when it agrees")
MARKERS = ("o", "^", "s", "D", "v")


@mpl.rc_context(STYLE)
def ckd_rates(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the measured against the predicted rate of every seed, and when the two agree.

    Returns:
        The figure, and what it draws: ``rate``, ``rate_predicted`` and, of periodic sequences,
        ``gap_ratio``, by method and seed.
    """
    table = _rates(rows)
    linear = table[table["gap_ratio"].isna()]
    periodic = table[table["gap_ratio"].notna()]
    figure, axes = panels_of(
        TITLES,
        "Rates of the limit",
        rows,
        table,
        height=1.9,
        footer=0.8,
        remark="one point a sequence,",
    )
    _draw_decays(axes[0], linear)
    _identity(axes[1], periodic)
    attentions = sorted(periodic["attention"].unique())
    for index, (name, points) in enumerate(periodic.groupby("attention")):
        colour = colour_of(str(name), attentions)
        clear = points["gap_ratio"] < CLOSE
        for chosen, hollow in ((points[clear], False), (points[~clear], True)):
            label = "" if hollow else title_of(str(name))
            look = (index, colour, label, hollow)
            _scatter(axes[1], chosen["rate_predicted"], chosen["rate"], *look)
            deviation = (chosen["rate"] / chosen["rate_predicted"] - 1).abs().clip(lower=1e-16)
            _scatter(axes[2], chosen["gap_ratio"], deviation, *look)
    axes[1].set_xlabel(r"predicted $\rho(L^{-1}(L-K))$")
    axes[1].set_ylabel("measured, per period")
    axes[2].set_yscale("log")
    axes[2].axhline(0.02, color="black", linewidth=0.8, linestyle=(0, (4, 1.5)))
    axes[2].text(0.02, 0.035, "2 %", size=6.5, transform=axes[2].get_yaxis_transform())
    axes[2].set_xlim(-0.02, 1.04)
    axes[2].set_xlabel(r"eigenvalues, $|\lambda_2|/|\lambda_1|$")
    axes[2].set_ylabel("relative deviation")
    add_key(figure, key_of(axes[:2]))
    return figure, table


def _rates(rows: pd.DataFrame) -> pd.DataFrame:
    keys = ["task", "method", "seed"]
    found = pd.concat(
        [of_metric(rows, metric) for metric in ("rate", "rate_predicted", "gap_ratio")]
    )
    table = found.pivot_table(index=keys, columns="metric", values="value").reset_index()
    for metric in ("rate", "rate_predicted", "gap_ratio"):
        if metric not in table:
            table[metric] = np.nan
    table["attention"] = table["method"].str.replace("_tau_.*", "", regex=True)
    return table.dropna(subset=["rate", "rate_predicted"]).rename_axis(columns=None)


def _draw_decays(axes: Axes, linear: pd.DataFrame) -> None:
    """Draw -log of measured against predicted rates, which tells rates near 1 apart."""
    decays = linear[["rate_predicted", "rate"]].clip(upper=1 - 1e-12).map(lambda rate: -log(rate))
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = (decays.min().min() / 1.5, 1.5 * decays.max().max()) if len(linear) else (0.1, 1.0)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.plot(ends, ends, color="black", linewidth=0.8, zorder=1)
    for index, dim in enumerate(sorted(linear["method"].unique(), key=_number)):
        points = decays[linear["method"] == dim]
        label, colour = f"d = {_number(dim)}", COLOURS[-1 - index % len(COLOURS)]
        _scatter(axes, points["rate_predicted"], points["rate"], index, colour, label)
    axes.set_xlabel(r"predicted decay per step, $-\log\,\rho(M)$")
    axes.set_ylabel("measured")


def _number(method: str) -> int:
    return int(method.rpartition("_")[2])


def _identity(axes: Axes, points: pd.DataFrame) -> None:
    low = float(points[["rate", "rate_predicted"]].min().min()) if len(points) else 0.0
    low = max(0.0, np.floor(10 * low) / 10)
    axes.plot([low, 1], [low, 1], color="black", linewidth=0.8, zorder=1)
    edge = 0.03 * (1 - low)
    axes.set_xlim(low - edge, 1 + edge)
    axes.set_ylim(low - edge, 1 + edge)


def _scatter(
    axes: Axes,
    x: pd.Series,
    y: pd.Series,
    index: int,
    colour: str,
    label: str,
    hollow: bool = False,
) -> None:
    axes.plot(
        x,
        y,
        linestyle="",
        marker=MARKERS[index % len(MARKERS)],
        markersize=2.8,
        markerfacecolor="none" if hollow else colour,
        markeredgecolor=colour,
        markeredgewidth=0.5,
        alpha=0.8,
        label=label or "_",
    )

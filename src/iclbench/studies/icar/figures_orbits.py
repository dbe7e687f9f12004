"""Orbits of orthogonal matrices on the sphere."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from iclbench.plotting.panels import stamp
from iclbench.plotting.style import STYLE
from iclbench.plotting.summaries import of_metric

MOST = 3
SIDE, HEADER, FOOTER, BAR = 2.1, 0.35, 0.2, 0.6
TIME = mpl.colormaps["viridis"]


@mpl.rc_context(STYLE)
def icar_orbits(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the first three coordinates of the states of the first orbits, coloured by time.

    Returns:
        The figure, and what it draws: ``x``, ``y``, ``z`` by seed and ``t``.
    """
    states = of_metric(rows, "coordinate")
    states = states[(states["iterate"] < 3) & (states["seed"] < MOST)]
    wide = states.pivot(index=["seed", "position"], columns="iterate", values="value")
    table = wide.reindex(columns=[0, 1, 2]).set_axis(["x", "y", "z"], axis=1).reset_index()
    table = table.rename(columns={"position": "t"}).astype({"t": int})
    seeds = sorted(table["seed"].unique())
    width, height = max(1, len(seeds)) * SIDE + BAR, SIDE + HEADER + FOOTER
    figure = Figure(figsize=(width, height))
    last = max(1, int(table["t"].max())) if len(table) else 1
    times = Normalize(0, last)
    for index, seed in enumerate(seeds):
        box = (index * SIDE / width, FOOTER / height, SIDE / width, SIDE / height)
        axes: Any = figure.add_axes(box, projection="3d")
        _sphere(axes)
        orbit = table[table["seed"] == seed]
        x, y, z = (orbit[name].to_numpy() for name in "xyz")
        axes.plot(x, y, z, color="0.45", linewidth=0.4, alpha=0.6)
        colours = TIME(times(orbit["t"].to_numpy(dtype=float)))
        axes.scatter(x, y, z, c=colours, s=10, depthshade=True, linewidths=0)
        axes.scatter(x[:1], y[:1], z[:1], s=30, facecolors="none", edgecolors="black", lw=0.8)
    figure.text(
        0.08 / width, 1 - 0.08 / height, "Orbits $s_t = W^t s_0$", size=8.5, weight="bold", va="top"
    )
    bar = figure.add_axes(((width - BAR) / width, 0.25, 0.08 / width, 0.5))
    figure.colorbar(ScalarMappable(times, TIME), cax=bar, label="$t$")
    bar.tick_params(width=0.4)
    bar.grid(visible=False)
    stamp(figure, rows, table)
    return figure, table


def _sphere(axes: Any) -> None:
    longitude, latitude = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, np.pi, 13))
    x, y = np.cos(longitude) * np.sin(latitude), np.sin(longitude) * np.sin(latitude)
    axes.plot_wireframe(x, y, np.cos(latitude), color="0.8", linewidth=0.3)
    axes.set_box_aspect((1, 1, 1), zoom=1.5)
    axes.set_axis_off()

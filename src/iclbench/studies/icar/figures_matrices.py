"""The heads and positional weights that gradient descent arrives at."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iclbench.plotting.panels import Layout, log_axis, make_panels, note
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric

MATRICES = {"A": "$A$", "B": "$B$", "C": "$B^\\top\\! A$", "P": "$P$"}
SIGNED = mpl.colormaps["RdBu_r"].with_extremes(bad="0.88")


@mpl.rc_context(STYLE)
def icar_matrices(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw A, B, B^T A and P after gradient descent, and the loss on the way, a line a law.

    Returns:
        The figure, and what it draws: ``value`` by law, metric (``A``, ``B``, ``C``, ``P``,
        ``loss``), seed, and row (``iterate``) and column (``position``), or descent (``start``) and
        iteration.
    """
    table = pd.concat(of_metric(rows, name) for name in (*MATRICES, "loss"))
    table = table.rename(columns={"method": "law", "reference_iterate": "start"})
    columns = ["law", "metric", "seed", "start", "iterate", "position", "value"]
    table = table[columns].reset_index(drop=True)
    laws = sorted(table["law"].unique(), reverse=True)
    titles = [
        f"{MATRICES.get(name, 'loss')}, {law}"
        for law in laws or [""]
        for name in (*MATRICES, "loss")
    ]
    layout = Layout(width=0.95, height=0.95, left=0.33, right=0.12, below=0.42)
    title = "Heads and positional weights after gradient descent"
    figure, axes = make_panels(titles, 5, layout, title, rows, table)
    panels = iter(axes)
    for law in laws:
        of_law = table[table["law"] == law]
        for name in MATRICES:
            _matrix(figure, next(panels), of_law[of_law["metric"] == name], name)
        _loss(next(panels), of_law[of_law["metric"] == "loss"])
    if len(table.loc[table["start"] > 0]):
        note(figure, "Loss: the descent kept of each seed in colour, the others grey")
    return figure, table


def _matrix(figure: Figure, axes: Axes, entries: pd.DataFrame, name: str) -> None:
    axes.grid(visible=False)
    values = entries.pivot(index="iterate", columns="position", values="value").to_numpy(float)
    if name == "P":
        rows, columns = values.shape
        values = np.where(np.tri(rows, columns, columns - rows), values, np.nan)
    finite = np.abs(values[np.isfinite(values)])
    most = float(finite.max()) if finite.size else 1.0
    extent = (0.5, values.shape[1] + 0.5, values.shape[0] + 0.5, 0.5)
    image = axes.imshow(
        values, cmap=SIGNED, vmin=-most, vmax=most, extent=extent, aspect="auto", origin="upper"
    )
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=2))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=2))
    axes.tick_params(length=2, pad=1.5)
    axes.set_ylabel({"C": "coordinate", "P": "query $T-1$"}.get(name, "head $h$"), labelpad=1)
    box = axes.get_position()
    bar = figure.add_axes((box.x0, box.y0 - 0.27 / figure.get_figheight(), box.width, 0.007))
    colours = figure.colorbar(image, cax=bar, orientation="horizontal")
    colours.outline.set_linewidth(0.4)  # pyright: ignore[reportCallIssue]
    shown = float(f"{most:.2g}")
    shown = shown if shown <= most else float(f"{most * 0.99:.1g}")
    colours.set_ticks([-shown, 0, shown], labels=[f"−{shown:g}", "0", f"{shown:g}"])
    bar.tick_params(length=1.5, pad=1, width=0.4)


def _loss(axes: Axes, entries: pd.DataFrame) -> None:
    values = entries["value"].astype(float)
    log_axis([axes], values.where(values > 0), low=1e-15, high=1e12)
    entries = entries.sort_values(["start", "seed", "iterate"], ascending=[False, True, True])
    for (start, seed), course in entries.groupby(["start", "seed"], sort=False):
        is_kept = start == 0
        colour = COLOURS[int(str(seed)) % len(COLOURS)] if is_kept else "0.7"
        axes.plot(
            course["iterate"].astype(float),
            course["value"],
            color=colour,
            linewidth=0.9 if is_kept else 0.5,
        )
    last = max(1.0, float(entries["iterate"].max())) if len(entries) else 1.0
    if last > 1000:
        axes.set_xscale("log")
    axes.set_xlim(1, max(2.0, last))
    axes.tick_params(pad=1.5)
    axes.set_xlabel("iteration", labelpad=1)

"""What figures of several panels share: their grid, axes, bands, and a key for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from iclbench.plotting.panels import PAGE, Layout, make_panels, note

FLOOR, CEILING = 1e-16, 1e4
"""Where axes of errors end: at rounding, and where an iterate explodes."""


def shades(count: int) -> list[Any]:
    """Return colours from light to dark, for values in order; distinct in print without colour."""
    return [mpl.colormaps["viridis_r"](at) for at in np.linspace(0.12, 0.95, max(1, count))]


def panels_of(
    titles: Sequence[str],
    title: str,
    rows: pd.DataFrame,
    table: pd.DataFrame,
    *,
    columns: int = 3,
    height: float = 1.5,
    footer: float = 0.7,
    remark: str = "lines: medians, bands: quartiles",
) -> tuple[Figure, list[Axes]]:
    """Return panels over the whole width of a page, with room below for a key.

    What the remark says, and of how many seeds, stands below.
    """
    across = max(1, min(columns, len(titles)))
    # In narrow panels the last number of an axis reaches beyond it.
    margin, left, right = 0.08, 0.5, 0.06 if across < 4 else 0.12
    # A lone panel would be a page wide.
    width = min((PAGE - margin) / across - left - right, 3.1)
    layout = Layout(
        width=width,
        height=height,
        margin=margin,
        left=left,
        right=right,
        below=0.3,
        footer=footer,
    )
    figure, axes = make_panels(list(titles) or [""], columns, layout, title, rows, table)
    seeds = rows["seed"].nunique()
    note(figure, f"{remark} over {seeds} {'seed' if seeds == 1 else 'seeds'}")
    return figure, axes


def error_axis(axes: Axes, table: pd.DataFrame, ceiling: float = CEILING) -> None:
    """Give a panel a logarithmic axis of errors, from rounding to an explosion at most."""
    seen = table["value"].to_numpy(dtype=float)
    seen = np.clip(seen[np.isfinite(seen)], FLOOR, ceiling)
    least, most = (seen.min(), seen.max()) if len(seen) else (0.1, 1.0)
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(least / 2, 2 * max(most, 10 * least))
    axes.yaxis.set_major_locator(LogLocator(10, numticks=7))
    low, high = axes.get_ylim()
    few = high / low < 1e4
    axes.yaxis.set_minor_locator(LogLocator(10, subs="auto") if few else NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def draw_band(axes: Axes, x: Any, points: pd.DataFrame, **look: Any) -> None:
    """Draw the median as a line and the quartiles as a band; what is infinite leaves the axes."""
    high = float(axes.get_ylim()[1])
    line, low, top = (points[name].clip(1e-300, 10 * high) for name in ("value", "low", "high"))
    axes.plot(x, line, **look)
    axes.fill_between(x, low, top, color=look["color"], alpha=0.15, lw=0)


Key = list[tuple[Artist | Container, str]]


def key_of(panels: Sequence[Axes]) -> Key:
    """Return the named curves of panels and their names, each name once."""
    found: dict[str, Artist | Container] = {}
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    return [(handle, name) for name, handle in found.items()]


def add_key(figure: Figure, key: Key, columns: int = 6) -> None:
    """Write a key below all panels, above the scale."""
    if key:
        handles, names = zip(*key, strict=True)
        figure.legend(
            handles,
            names,
            loc="lower center",
            ncols=min(columns, len(key)),
            bbox_to_anchor=(0.5, 0.2 / figure.get_figheight()),
            handlelength=2.2,
            columnspacing=1.4,
        )


def label_outer(axes: Sequence[Axes], columns: int, x: str, y: str) -> None:
    """Name the axes of the leftmost panels and of the lowest ones."""
    columns = max(1, min(columns, len(axes)))
    for index, panel in enumerate(axes):
        if index % columns == 0:
            panel.set_ylabel(y)
        if index >= len(axes) - columns:
            panel.set_xlabel(x)


def count_axis(axes: Axes, counts: pd.Series, base: int) -> None:
    """Give a panel a logarithmic axis of counts from 1 on."""
    axes.set_xscale("log", base=base)
    axes.set_xlim(0.9, 1.1 * max(2.0, float(counts.max()) if len(counts) else 2.0))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())

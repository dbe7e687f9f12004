"""Small multiples laid out in inches, with the names of the curves beside each panel."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation

POINT = 1 / 72
PAGE = 7.0
"""The width of a printed page, in inches, that figures keep to."""
NAME_SIZE = 6.5
NAME_STEP = 8.5 * POINT
LEADER, SWATCH = 7 * POINT, 17 * POINT
ERRORS = {"low": 1e-6, "high": 1e2}
"""Where axes of errors end: below is rounding or near it, above an explosion."""


@dataclass(frozen=True)
class Layout:
    """A grid of panels of one size, each with room around it; all lengths in inches."""

    width: float
    height: float
    margin: float = 0.0
    left: float = 0.5
    right: float = 0.15
    above: float = 0.28
    below: float = 0.25
    header: float = 0.25
    footer: float = 0.4


@dataclass(frozen=True)
class Curve:
    """A curve to name: where it ends (in data), what it is called, what it looks like."""

    last: float
    end: float
    name: str
    look: dict[str, Any]


def make_panels(
    titles: Sequence[str],
    columns: int,
    layout: Layout,
    title: str,
    rows: pd.DataFrame,
    table: pd.DataFrame,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel a title, and what every figure says: its title and its scale."""
    columns = max(1, min(columns, len(titles)))
    lines = -(-len(titles) // columns)
    across = layout.left + layout.width + layout.right
    down = layout.above + layout.height + layout.below
    wide = layout.margin + columns * across
    high = layout.header + lines * down + layout.footer
    figure = Figure(figsize=(wide, high))
    axes = []
    for index, name in enumerate(titles):
        line, column = divmod(index, columns)
        bottom = high - layout.header - line * down - layout.above - layout.height
        left = layout.margin + column * across + layout.left
        box = (left / wide, bottom / high, layout.width / wide, layout.height / high)
        axes.append(figure.add_axes(box))
        axes[-1].set_title(name, pad=4)
    figure.text(0.08 / wide, 1 - 0.08 / high, title, size=8.5, weight="bold", va="top")
    stamp(figure, rows, table)
    return figure, axes


def stamp(figure: Figure, rows: pd.DataFrame, table: pd.DataFrame) -> None:
    """Print the scale that the rows were measured at into the figure's lower right corner.

    Where there is nothing to draw, the figure says so.
    """
    wide, high = figure.get_size_inches()
    scale = f"scale: {', '.join(sorted(rows['scale'].unique())) or 'none'}"
    place = (1 - 0.08 / wide, 0.07 / high)
    figure.text(*place, scale, size=6.5, color="0.35", ha="right", va="bottom")
    if table.empty:
        figure.text(0.5, 0.5, "nothing was measured", size=7, ha="center", va="center")


def note(figure: Figure, text: str, lines: int = 2) -> None:
    """Print a remark into the figure's lower left corner, cut where it would hide the scale."""
    wide, high = figure.get_size_inches()
    broken = textwrap.wrap(text, int((wide - 1.1) / (3.55 * POINT)), max_lines=lines)
    place = (0.08 / wide, 0.07 / high)
    figure.text(*place, "\n".join(broken), size=6.5, color="0.35", va="bottom", linespacing=1.25)


def text_width(text: str, size: float = NAME_SIZE) -> float:
    """Return the width of a text in inches."""
    path = TextPath((0, 0), text or " ", size=size)
    # A glyph is as wide as its control points: its outline has some where it turns back.
    drawn = path.vertices[path.codes != Path.CLOSEPOLY, 0]
    return float(np.ptp(drawn)) * POINT


def names_width(names: Sequence[str]) -> float:
    """Return the room, in inches, that ``name_curves`` needs beside a panel."""
    return LEADER + SWATCH + 0.16 + max((text_width(name) for name in names), default=0.0)


def curve_name(method: str, values: pd.Series) -> str:
    """Return the name of a method's curve, which says where a part of it is missing."""
    return f"{method} (diverged)" if values.isna().any() else method


def name_curves(axes: Axes, curves: Sequence[Curve]) -> None:
    """Write the names of curves beside a panel, at the heights where the curves end.

    Names move apart, in the order of the ends, until none overlap; a line leads from the end of
    each curve to its name, past a sample of its line. A curve that has no end stands on top. The
    limits of both axes must be set before.
    """
    from scipy.optimize import isotonic_regression

    figure = axes.figure
    assert isinstance(figure, Figure)
    height = axes.get_position().height * figure.get_figheight()
    low, high = np.log(axes.get_ylim())
    ends = np.array([curve.end for curve in curves], dtype=float)
    with np.errstate(divide="ignore"):
        target = np.clip((np.log(ends) - low) / (high - low), 0, 1) * height
    target = np.where(np.isnan(target), height + NAME_STEP, target)
    order = np.argsort(target, kind="stable")
    steps = NAME_STEP * np.arange(len(curves))
    lowest = min(0.0, height - (steps[-1] if len(steps) else 0.0))
    spread = isotonic_regression(target[order] - steps).x if len(curves) else target
    placed = np.clip(spread, lowest, max(lowest, height - steps[-1:].sum())) + steps
    for index, at in zip(order, placed, strict=True):
        curve = curves[index]

        def inches(across: float, up: float) -> tuple[float, float]:
            return 1 + across / (axes.get_position().width * figure.get_figwidth()), up / height

        beyond = {"transform": axes.transAxes, "clip_on": False}
        start, middle = inches(0.02, float(min(target[index], height))), inches(LEADER, at)
        thin = {"color": curve.look["color"], "linewidth": 0.4, "alpha": 0.7}
        if np.isfinite(curve.end):
            axes.add_line(Line2D(*zip(start, middle, strict=True), **thin, **beyond))
            axes.add_line(Line2D([curve.last, axes.get_xlim()[1]], [curve.end] * 2, **thin))
        stop = inches(LEADER + SWATCH, at)
        xs = [middle[0], (middle[0] + stop[0]) / 2, stop[0]]
        axes.add_line(Line2D(xs, [middle[1]] * 3, markevery=[1], **curve.look, **beyond))
        gap = ScaledTranslation(0.04, 0, figure.dpi_scale_trans)
        axes.text(
            *stop,
            curve.name,
            size=NAME_SIZE,
            va="center_baseline",
            transform=axes.transAxes + gap,
        )


def log_axis(panels: Sequence[Axes], values: pd.Series, low: float, high: float) -> None:
    """Give panels one logarithmic axis that shows the values, though none beyond low and high.

    It shows at least a decade.
    """
    seen = values.to_numpy(dtype=float)
    seen = np.clip(seen[np.isfinite(seen)], low, high) if values.notna().any() else np.ones(1)
    least, most = seen.min(), seen.max()
    stretch = max(1.4, (10 * least / most) ** 0.5)
    for axes in panels:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(least / stretch, most * stretch)
        figure = axes.figure
        assert isinstance(figure, Figure)
        height = axes.get_position().height * figure.get_figheight()
        axes.yaxis.set_major_locator(LogLocator(10, numticks=min(12, int(height / 0.16))))
        axes.yaxis.set_minor_locator(LogLocator(10, subs="auto", numticks=12))
        axes.yaxis.set_minor_formatter(NullFormatter())

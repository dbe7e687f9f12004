"""What the figures share: medians over seeds, and the names and looks of what is compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from iclbench.plotting.panels import PAGE, Layout, make_panels, note
from iclbench.plotting.style import COLOURS
from iclbench.plotting.summaries import of_metric

LOW, HIGH = 0.25, 0.75
"""The quantiles over seeds between which bands lie."""

FLOOR, CEILING = 1e-16, 1e4
"""Where axes of errors end: at rounding, and where an iterate explodes."""

DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
LIMIT = {"color": "black", "linestyle": (0, (4, 1.5)), "linewidth": 1.2}

_METHOD = re.compile(
    r"^(?P<attention>[a-z]+)_beta_(?P<beta>inverse_sqrt|[^_]+)"
    r"(_step_(?P<step>[^_]+)|_bound_(?P<bound>[^_]+)|_(?P<limit>limit)"
    r"|_tau_(?P<tau>\d+)_dim_(?P<dim>\d+))?$"
)


def described(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of a metric with what their method's name says, a column each.

    ``attention`` is the part up to beta, ``step`` a number and NaN for the limit, ``bound``,
    ``tau`` and ``dim`` numbers. Rows of methods with other names (trained models) are left out.
    """
    found = of_metric(rows, metric)
    parts = found["method"].str.extract(_METHOD)
    numbers = ("step", "bound", "tau", "dim")
    found = found.assign(
        attention=parts["attention"] + "_beta_" + parts["beta"],
        **{name: pd.to_numeric(parts[name]).astype(float) for name in numbers},
    )
    return found[found["attention"].notna()]


def over_quantiles(
    rows: pd.DataFrame, by: Sequence[str], low: float = LOW, high: float = HIGH
) -> pd.DataFrame:
    """Return, per group, the median over seeds and two quantiles about it; diverged counts as inf.

    Returns:
        One row a group: the columns ``by``, ``value``, ``low``, ``high`` and ``seeds``.
    """
    values = rows.assign(value=rows["value"].fillna(np.inf))
    groups = values.groupby(list(by), dropna=False)["value"]
    # A quantile that is one of the values stays defined where others are infinite.
    table = pd.DataFrame(
        {
            name: groups.quantile(at, interpolation="lower")
            for name, at in {"value": 0.5, "low": low, "high": high}.items()
        }
    )
    return table.assign(seeds=groups.size()).reset_index()


def title_of(attention: str) -> str:
    """Return an attention's name in words.

    Examples:
        >>> title_of("exponential_beta_4")
        'exponential, β = 4'
        >>> title_of("linear_beta_1")
        'linear'
        >>> title_of("softmax_beta_inverse_sqrt")
        'softmax, β = 1/√d'
    """
    kind, _, beta = attention.partition("_beta_")
    beta = "1/√d" if beta == "inverse_sqrt" else beta
    return kind if kind == "linear" and beta == "1" else f"{kind}, β = {beta}"


def colour_of(attention: str, attentions: Sequence[str]) -> str:
    """Return an attention's colour, the same in all panels of a figure."""
    return COLOURS[sorted(set(attentions)).index(attention) % len(COLOURS)]


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


Key = list[tuple[Artist, str]]


def key_of(panels: Sequence[Axes]) -> Key:
    """Return the named curves of panels and their names, each name once."""
    found: dict[str, Artist] = {}
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

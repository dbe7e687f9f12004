"""Which steps converge and contract, the flow of infinite depth, and what agrees with what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from iclbench.plotting.drawing import add_key, count_axis, draw_band, error_axis, key_of, panels_of
from iclbench.plotting.panels import log_axis
from iclbench.plotting.style import STYLE
from iclbench.plotting.summaries import over_quantiles
from iclbench.studies.ckd.drawing import DASHES, colour_of, described, title_of

GREY = {"color": "0.45", "linewidth": 0.8, "linestyle": (0, (1, 1)), "zorder": 1}
HOLLOW = {"markerfacecolor": "none", "linewidth": 0.6}


@dataclass(frozen=True)
class Panel:
    """What a panel draws: metrics against an abscissa, the second one hollow."""

    title: str
    metrics: tuple[str, ...]
    along: Literal["step", "bound", "iterate", "kinds"]
    across: str
    upwards: str
    level: float | None = None
    abscissa: Callable[[pd.Series], pd.Series] = lambda values: values.astype(float)


def _time(iterate: pd.Series) -> pd.Series:
    return 2.0 ** iterate.astype(float) / 16


PANELS = (
    Panel("Eigenvalues", ("spectral_radius",), "step", "step, ηκ", r"$\rho(I-\eta L)$", 1.0),
    Panel("Norms", ("operator_norm",), "step", "step, ηκ", r"$|I-\eta L|_2$", 1.0),
    Panel(
        "Norms below the bound",
        ("operator_norm",),
        "bound",
        "step, η|L|²/κ",
        r"$|I-\eta L|_2$",
        1.0,
    ),
    Panel(
        "Flow: residual against its bound",
        ("flow_excess",),
        "iterate",
        "time, κs",
        r"$|R(s)|\,e^{\kappa s/2}\,/\,|R(0)|$",
        1.0,
        _time,
    ),
    Panel(
        "Flow: predictions and limit",
        ("flow_limit_gap",),
        "iterate",
        "time, κs",
        r"largest $|u_t(s)-u_t^\infty|$",
        None,
        _time,
    ),
    Panel(
        "Flow and n layers",
        ("flow_distance",),
        "iterate",
        "layers, $n$",
        r"$|R^n-R(s)|\,/\,|R(0)|$",
    ),
    Panel(
        "Transformer and recursion",
        ("transformer_gap",),
        "iterate",
        "depth, $n$",
        "largest difference",
    ),
    Panel("Limit and Kaczmarz", ("kaczmarz_gap",), "kinds", "", "largest difference"),
    Panel(
        "Step 1/κ and the limit",
        ("nilpotent_gap", "truncated_gap"),
        "iterate",
        "depth, $n$",
        "largest difference",
    ),
)


@mpl.rc_context(STYLE)
def ckd_stability(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw spectra and norms by step, the flow by time, and what agrees by depth, by attention.

    Bands are ranges over seeds, since what theory says of them is said of every sequence.

    Returns:
        The figure, and what it draws: the median, ``value``, and the ends of the range, ``low`` and
        ``high``, over seeds.
    """
    metrics = dict.fromkeys(metric for panel in PANELS for metric in panel.metrics)
    found = pd.concat([described(rows, metric) for metric in metrics])
    table = over_quantiles(found, ["metric", "attention", "step", "bound", "iterate"], 0.0, 1.0)
    attentions = sorted(table["attention"].unique())
    figure, axes = panels_of(
        [panel.title for panel in PANELS],
        "Steps, flow and agreement",
        rows,
        table,
        height=1.25,
        remark="lines: medians, bands: ranges",
    )
    for panel, ax in zip(PANELS, axes, strict=True):
        here = table[table["metric"].isin(panel.metrics)]
        if panel.along in ("step", "bound"):
            here = here[here[panel.along].notna()]
        _set_axes(ax, panel, here, attentions)
        for index, attention in enumerate(attentions):
            of_attention = here[here["attention"] == attention]
            look = {
                "color": colour_of(attention, attentions),
                "linestyle": DASHES[index % len(DASHES)],
                "linewidth": 1.1,
                "marker": "o",
                "markersize": 2.2,
            }
            for metric in panel.metrics:
                is_first = metric == panel.metrics[0]
                points = of_attention[of_attention["metric"] == metric]
                x = _abscissa(panel, points, index)
                more = {"label": title_of(attention)} if is_first else HOLLOW
                draw_band(ax, x, points, **(look | more))
                if panel.along == "kinds":
                    ax.vlines(x, points["low"], points["high"], color=look["color"], linewidth=0.8)
    add_key(figure, key_of(axes))
    return figure, table


def _abscissa(panel: Panel, points: pd.DataFrame, index: int) -> pd.Series:
    if panel.along == "kinds":
        return pd.Series(float(index), index=points.index)
    return panel.abscissa(points[panel.along])


def _set_axes(axes: Axes, panel: Panel, here: pd.DataFrame, attentions: list[str]) -> None:
    axes.set_xlabel(panel.across)
    axes.set_ylabel(panel.upwards)
    if "spectral_radius" in panel.metrics or panel.along == "bound":
        _linear_axis(axes, here[["value", "low", "high"]])
    elif "flow_excess" in panel.metrics:
        log_axis([axes], here["value"], low=1e-4, high=1e4)
    else:
        ends = pd.concat([here["low"], here["high"]])
        error_axis(axes, pd.DataFrame({"value": ends}), np.inf)
    if panel.along == "kinds":
        axes.set_xticks([])
        axes.set_xlim(-0.5, max(1, len(attentions)) - 0.5)
    elif panel.along == "iterate" and panel.abscissa is not _time:
        count_axis(axes, here["iterate"], 2)
    elif panel.along == "iterate":
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(LogLocator(16))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    if panel.level is not None:
        axes.axhline(panel.level, **GREY)
    if "flow_distance" in panel.metrics and len(here):
        n = np.array([here["iterate"].min(), here["iterate"].max()], dtype=float)
        axes.plot(n, 2 * here["value"].max() * n[0] / n, label="1/n", **GREY)
        axes.set_xlim(n[0] / 1.3, 1.3 * n[1])


def _linear_axis(axes: Axes, values: pd.DataFrame) -> None:
    """Give a panel a linear axis that shows the values and 1, from which on nothing contracts."""
    drawn = values.to_numpy(dtype=float)
    seen = np.append(drawn[np.isfinite(drawn)], 1.0)
    edge = 0.08 * max(float(np.ptp(seen)), 1e-3)
    axes.set_ylim(seen.min() - edge, seen.max() + edge)

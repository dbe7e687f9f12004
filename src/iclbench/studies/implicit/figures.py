"""What other numbers of iterations than trained with do to the loss."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from iclbench.plotting.drawing import add_key, key_of, label_outer, panels_of, shades
from iclbench.plotting.style import STYLE
from iclbench.plotting.summaries import of_metric, over_quantiles

COLUMNS = 4
TITLES = {
    "general": "affine, U onto",
    "own": "ridge, own θ",
    "general_few": "affine, U not onto",
    "shared": "ridge, shared θ",
    "step_size": "step size, 40 pairs",
    "step_size_short": "step size, 5 pairs",
    "looped": "looped transformer",
    "equilibrium": "equilibrium",
}
METRICS = {"relative_difference": "trained on", "test_relative_difference": "fresh"}
LINES = {"relative_difference": "-", "test_relative_difference": (0, (3, 1.5))}
WIDEST = 20.0
"""More iterations than this, over those trained with, are not drawn."""
LINEAR = 1e-3
"""Where the axis of differences, logarithmic on either side, is linear."""


@mpl.rc_context(STYLE)
def inner_iterations(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw D(N, n - N) / (1 + l(N)) against n / N, a panel a kind of model, a shade an N.

    Returns:
        The figure, and what it draws: ``value``, the median over seeds, with quartiles, by
        ``metric`` (training tasks or prompts, or fresh ones), ``panel``, ``iterate`` n and
        ``reference_iterate`` N.
    """
    found = pd.concat([of_metric(rows, metric) for metric in METRICS])
    # A measurement of one method on other prompts has a panel of its own.
    panel = found["task"].where(found["task"].isin(TITLES), found["method"])
    found = found.assign(panel=panel)
    keys = ["metric", "panel", "reference_iterate", "iterate"]
    table = over_quantiles(found, keys)
    ratio = table["iterate"] / table["reference_iterate"]
    table = table[ratio <= WIDEST].reset_index(drop=True)
    order = [*TITLES, *sorted(set(table["panel"]) - TITLES.keys())]
    names = [str(name) for name in order if name in set(table["panel"])]
    trained = sorted(table["reference_iterate"].unique())
    colours = dict(zip(trained, shades(len(trained)), strict=False))
    figure, axes = panels_of(
        [TITLES.get(name, name.replace("_", " ")) for name in names],
        "Other iterations than trained",
        rows,
        table,
        columns=COLUMNS,
        height=1.25,
        remark=_remark(rows),
    )
    for axis, name in zip(axes, names or [""], strict=False):
        own = table[table["panel"] == name]
        _axes(axis, own)
        for metric, style in LINES.items():
            for count, points in own[own["metric"] == metric].groupby("reference_iterate"):
                label = f"N = {count}" if metric == "relative_difference" else None
                x = points["iterate"] / points["reference_iterate"]
                axis.plot(
                    x, points["value"].clip(-10, 10), color=colours[count], ls=style, label=label
                )
                low, high = (points[end].clip(-10, 10) for end in ("low", "high"))
                axis.fill_between(x, low, high, color=colours[count], alpha=0.15, lw=0)
    label_outer(axes[: len(names)], COLUMNS, "n / N", "D / (1 + l)")
    key = key_of(axes)
    for metric, style in LINES.items():
        if (table["metric"] == metric).any():
            key.append((Line2D([], [], color="0.3", ls=style), METRICS[metric]))
    add_key(figure, key)
    return figure, table


def _remark(rows: pd.DataFrame) -> str:
    """Return what lines and bands are, and of how many seeds transformers are; the rest follows."""
    remark = "medians, quartiles"
    is_trained = rows["family"] == "trained"
    if is_trained.all() or not is_trained.any():
        return remark
    return f"{remark}; transformers {rows.loc[is_trained, 'seed'].nunique()}, others"


def _axes(axis: Axes, points: pd.DataFrame) -> None:
    """Give a panel a ratio axis, a two-sided logarithmic one of differences, and the crossing."""
    axis.set_xscale("log", base=2)
    widest = (points["iterate"] / points["reference_iterate"]).max() if len(points) else 6.0
    axis.set_xlim(0.45, 1.1 * widest)
    axis.set_xticks([tick for tick in (0.5, 1, 2, 4, 8, 16, 32) if tick <= widest])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yscale("symlog", linthresh=LINEAR, linscale=0.5)
    axis.set_ylim(-2, 10)
    axis.set_yticks([-1, -0.1, -0.01, 0, 0.01, 0.1, 1, 10])
    axis.set_yticklabels(["-1", "-.1", "-.01", "0", ".01", ".1", "1", "10"])
    axis.yaxis.set_minor_locator(NullLocator())
    axis.axhline(0, color="0.6", lw=0.6, zorder=0)
    axis.axvline(1, color="0.6", lw=0.6, zorder=0)

"""Layer against iteration: how errors fall, and which iterate each layer is like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iclbench.plotting.drawing import add_key, key_of, panels_of, shades
from iclbench.plotting.panels import log_axis
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric, over_seeds

READOUTS = {"_retrained": "trained again", "": "trained along", "_least_squares": "least squares"}
"""What stands behind a model's name, and what it says of its readouts."""

MARKERS = dict(zip(READOUTS, "os^", strict=True))
NEWTON = "newton"
DESCENT = "gd_fixed"
"""What names of gradient descent with a constant step begin with."""

LINES = 6
"""Positions are drawn at most, from few pairs to all."""

FLOOR, CEILING = 1e-5, 1e1


@mpl.rc_context(STYLE)
def newton_layers(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw errors by layer beside those by iteration, and the iterates that layers are like.

    The model is the first, by the alphabet, whose readouts were trained again; the solvers are
    ``newton`` and the one whose name begins with ``gd_fixed``.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by metric
        (``normalised_error``, ``best_match``), method, iterate, position and reference.
    """
    again = rows.loc[rows["method"].str.endswith("_retrained"), "method"]
    model = again.min().removesuffix("_retrained") if len(again) else ""
    methods = [model + suffix for suffix in READOUTS]
    known = {str(name) for name in rows["reference"].dropna()} | set(rows["method"])
    descent = min((name for name in known if name.startswith(DESCENT)), default=DESCENT)
    errors = of_metric(rows, "normalised_error")
    errors = errors[errors["method"].isin([*methods, NEWTON, descent])]
    errors = errors.drop_duplicates(["method", "seed", "iterate", "position"])
    by_position = errors[errors["position"].notna()]
    matches = of_metric(rows, "best_match")
    matches = matches[matches["method"].isin(methods)]
    keys = ["method", "family", "iterate"]
    table = pd.concat(
        [
            _summary(by_position, [*keys, "position"], "normalised_error"),
            _summary(errors[errors["position"].isna()], keys, "normalised_error"),
            _summary(matches, [*keys, "reference"], "best_match"),
        ],
        ignore_index=True,
    )
    titles = [
        "Layers",
        "Newton's iteration",
        "Gradient descent",
        "Error by layer",
        "Most similar Newton iteration",
        "Most similar gradient step",
    ]
    figure, axes = panels_of(
        titles,
        f"Layer against iteration: {model.replace('_', ' ')}",
        rows[rows["method"].isin(methods)],
        table,
        footer=0.85,
        height=1.35,
        remark="geometric means, 95 % intervals over prompts of solvers, and of models",
    )
    here = table[(table["metric"] == "normalised_error") & table["position"].notna()]
    positions = _chosen(sorted(here["position"].unique()))
    log_axis(axes[:3], here["value"], low=FLOOR, high=CEILING)
    for panel, method in zip(axes[:3], [methods[0], NEWTON, descent], strict=True):
        _draw_errors(panel, here[here["method"] == method], positions)
    axes[2].set_xscale("log", base=2)
    averaged = table[(table["metric"] == "normalised_error") & table["position"].isna()]
    _draw_readouts(axes[3], averaged[averaged["family"] == "trained"], model)
    axes[3].set_ylim(0, None)
    for panel, reference in zip(axes[4:], (NEWTON, descent), strict=True):
        _draw_readouts(panel, table[table["reference"] == reference], model)
    if (table["reference"] == descent).any():
        axes[5].set_yscale("log", base=2)
    for panel, x in zip(axes, ["layer", "iteration", "step", *["layer"] * 3], strict=True):
        panel.set_xlabel(x, labelpad=1)
        if x == "layer":
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("normalised error")
    axes[3].set_ylabel("normalised error")
    add_key(figure, key_of(axes), columns=6)
    return figure, table


def _summary(rows: pd.DataFrame, keys: Sequence[str], metric: str) -> pd.DataFrame:
    return over_seeds(rows.astype({"value": float}), keys).assign(metric=metric)


def _chosen(positions: Sequence[Any]) -> list[int]:
    """Return few of the positions, the first left out, where nothing is known yet."""
    later = [int(position) for position in positions if position > 0]
    places = np.unique(np.linspace(0, len(later) - 1, min(LINES, len(later))).round().astype(int))
    return [later[place] for place in places]


def _draw_errors(axes: Axes, table: pd.DataFrame, positions: Sequence[int]) -> None:
    for colour, position in zip(shades(len(positions)), positions, strict=False):
        course = table[table["position"] == position].sort_values("iterate")
        x = course["iterate"].astype(float)
        marker = "o" if len(course) < 9 else ""
        look = {"color": colour, "linewidth": 1.0, "marker": marker, "markersize": 2.2}
        axes.plot(x, course["value"].clip(FLOOR / 10), label=f"t = {position}", **look)
        low, high = course["low"].clip(FLOOR / 10), course["high"]
        axes.fill_between(x, low, high, color=colour, alpha=0.12, lw=0)


def _draw_readouts(axes: Axes, table: pd.DataFrame, model: str) -> None:
    for place, (suffix, words) in enumerate(READOUTS.items()):
        course = table[table["method"] == model + suffix].sort_values("iterate")
        x = course["iterate"].astype(float) + 0.08 * (place - 1)
        value = course["value"].astype(float)
        bars = [value - course["low"].astype(float), course["high"].astype(float) - value]
        axes.errorbar(
            x,
            value,
            yerr=np.nan_to_num(np.array(bars)).clip(0),
            color=COLOURS[place],
            marker=MARKERS[suffix],
            markersize=3,
            linewidth=0.9,
            elinewidth=0.7,
            label=f"readouts {words}",
        )

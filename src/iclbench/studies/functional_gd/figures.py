"""Trained transformers by attention: loss against the pairs seen and against depth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

from iclbench.plotting.drawing import Key, add_key, key_of, label_outer, panels_of
from iclbench.plotting.panels import log_axis
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric, over_seeds

LABELS = {
    "linear": "linear",
    "relu": "ReLU",
    "exponential": "exponential",
    "composite": "linear + exponential",
}
"""Kernels of the labels, by the first word of a measurement's name, in the order of the panels."""

ATTENTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("linear", {"color": COLOURS[0], "marker": "o"}),
    "relu": ("ReLU", {"color": COLOURS[1], "marker": "s"}),
    "exponential": ("exponential", {"color": COLOURS[2], "marker": "^"}),
    "softmax": ("softmax", {"color": COLOURS[4], "marker": "D"}),
    "linear_exponential": (
        "two heads, linear and exponential",
        {"color": COLOURS[5], "marker": "v"},
    ),
}
SEVERAL = ("linear_exponential",)
"""Models with heads of several kinds."""

BAYES: dict[str, Any] = {
    "color": "black",
    "linestyle": (0, (4, 1.5)),
    "linewidth": 1.0,
    "marker": "",
}
BAYES_NAME, TRAINED = "Bayes", ", A trained"
ENDS = {"low": 1e-6, "high": 1e3}
ZERO = 1e-8
"""A Bayes loss below this is zero, and has no place on a logarithmic axis."""

FULL = {
    "linestyle": (0, (1.5, 1.2)),
    "linewidth": 0.9,
    "markersize": 3.5,
    "markerfacecolor": "none",
}
"""How models are drawn whose A is trained."""

FEW_DECADES = 60.0
"""Axes that are shorter have numbers at 2 and 5 too."""

PLAIN = 1e-4
"""Axes that end above have no powers of ten, but decimals."""

COLUMNS = 3
REMARK = "geometric means and 95 % intervals"


@mpl.rc_context(STYLE)
def functional_gd_context(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the loss of models of three layers (or of the most there are) against pairs n.

    A panel a law of labels, a curve a kind of attention, dotted where A is trained; the Bayes loss.
    Models with heads of several kinds are left out.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by law of the labels, method,
        depth and position (see ``over_seeds``).
    """
    table = _losses(rows)
    table = table[~table["attention"].isin(list(SEVERAL))]
    depths = table.loc[table["family"] == "trained", "iterate"]
    layers = 3 if (depths == 3).any() else depths.max()
    table = table[(table["iterate"] == layers) | (table["method"] == "bayes")]
    laws = [law for law in LABELS if law in set(table.loc[table["family"] == "trained", "law"])]
    depth = "" if table.empty else f", {int(layers)} layers"
    figure, axes = panels_of(
        [f"labels: {LABELS[law]} kernel" for law in laws],
        f"Loss against the length of the prompt{depth}",
        rows[rows["family"] == "trained"],
        table,
        height=1.9,
        footer=0.85,
        remark=REMARK,
    )
    for panel, law in zip(axes, laws, strict=False):
        here = table[table["law"] == law]
        _draw(panel, here, "position")
        bayes = here[here["method"] == "bayes"].sort_values("position")
        shown = bayes[bayes["value"] > ZERO]
        panel.plot(shown["position"], shown["value"], label=BAYES_NAME, **BAYES)
    label_outer(axes, COLUMNS, "pairs seen, $n$", "loss")
    add_key(figure, ordered_key(axes), columns=4)
    return figure, table


@mpl.rc_context(STYLE)
def functional_gd_depth(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the loss against depth, a panel a law of labels and number of pairs; the Bayes loss.

    Models that were trained at one depth alone are left out, and panels without others.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by law of the labels, method,
        depth and position (see ``over_seeds``).
    """
    table = _losses(rows)
    depths = table.groupby(["law", "position", "method"])["iterate"].transform("nunique")
    trained = table[(table["family"] == "trained") & (depths > 1)]
    places = [
        (law, pairs)
        for law in LABELS
        for pairs in sorted(set(trained.loc[trained["law"] == law, "position"]), reverse=True)
    ]
    table = table[(depths > 1) | (table["method"] == "bayes")]
    drawn = [at in places for at in zip(table["law"], table["position"], strict=True)]
    table = table[drawn]
    columns = 2 if len(places) in (2, 4) else COLUMNS
    figure, axes = panels_of(
        [f"{LABELS[law]}, n = {pairs}" for law, pairs in places],
        "Loss against depth, by the kernel of the labels and the number of pairs",
        rows[rows["family"] == "trained"],
        table,
        columns=columns,
        height=1.7,
        footer=0.85,
        remark=REMARK,
    )
    for panel, (law, pairs) in zip(axes, places, strict=False):
        here = table[(table["law"] == law) & (table["position"] == pairs)]
        _draw(panel, here, "iterate")
        bayes = here.loc[(here["method"] == "bayes") & (here["value"] > ZERO), "value"]
        if len(bayes):
            panel.axhline(float(bayes.iloc[0]), label=BAYES_NAME, **BAYES)
    label_outer(axes, columns, "layers, $L$", "loss")
    add_key(figure, ordered_key(axes), columns=4)
    return figure, table


def _losses(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the losses over seeds, with the law of the labels and whether A is trained."""
    found = of_metric(rows, "loss")
    found = found.assign(law=found["task"].str.split("_").str[0])
    found = found[found["law"].isin(list(LABELS)) & found["position"].notna()]
    table = over_seeds(found, ["law", "method", "family", "iterate", "position"])
    return table.assign(
        position=table["position"].astype(int),
        is_full=table["method"].str.endswith("_full"),
        attention=table["method"].str.removesuffix("_full"),
    )


def _draw(panel: Axes, table: pd.DataFrame, along: str) -> None:
    """Draw the models of a panel, on axes that show the Bayes loss too, if it is not zero."""
    trained = table[table["family"] == "trained"]
    bayes = table.loc[(table["method"] == "bayes") & (table["value"] > ZERO), "value"]
    log_axis([panel], pd.concat([trained["value"], trained["low"], trained["high"], bayes]), **ENDS)
    low, high = panel.get_ylim()
    if high / low < FEW_DECADES:
        panel.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    if low > PLAIN:
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    for (name, (label, look)), is_full in product(ATTENTIONS.items(), (False, True)):
        chosen = (trained["attention"] == name) & (trained["is_full"] == is_full)
        draw_intervals(
            panel,
            trained[chosen],
            along,
            label + TRAINED if is_full else label,
            (look | FULL if is_full else look),
        )
    numbers = sorted(set(trained[along].astype(int)))
    if numbers:
        panel.xaxis.set_major_locator(FixedLocator(numbers))
        panel.xaxis.set_minor_locator(NullLocator())
        margin = 0.06 * max(1, numbers[-1] - numbers[0])
        panel.set_xlim(numbers[0] - margin, numbers[-1] + margin)


def ordered_key(axes: Sequence[Axes]) -> Key:
    """Return the key with attentions in their order, those with A trained after them, and Bayes."""
    names = [label for label, _ in ATTENTIONS.values()]
    order = [*names, *(label + TRAINED for label in names), BAYES_NAME]
    return sorted(key_of(axes), key=lambda entry: order.index(entry[1]))


def draw_intervals(
    panel: Axes, table: pd.DataFrame, along: str, label: str, look: dict[str, Any]
) -> None:
    """Draw means as a line and their intervals as a band, or as a bar where there is one alone."""
    points = table.sort_values(along)
    if points.empty:
        return
    x = points[along].astype(float)
    panel.plot(x, points["value"], label=label, **{"linewidth": 1.1, "markersize": 3} | look)
    if len(points) > 1:
        panel.fill_between(x, points["low"], points["high"], color=look["color"], alpha=0.15, lw=0)
    else:
        panel.vlines(x, points["low"], points["high"], color=look["color"], linewidth=0.8)

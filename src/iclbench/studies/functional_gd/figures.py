"""Trained transformers by attention: loss against the pairs seen and against depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from iclbench.plotting.panels import log_axis
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric, over_seeds
from iclbench.studies.ckd.drawing import add_key, key_of, label_outer, panels_of

LABELS = {
    "linear": "linear kernel",
    "relu": "ReLU kernel",
    "exponential": "exponential kernel",
    "composite": "linear + exponential kernel",
}
"""The laws of labels, by the first word of a measurement's name, in the order of the panels."""

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
BAYES: dict[str, Any] = {
    "color": "black",
    "linestyle": (0, (4, 1.5)),
    "linewidth": 1.0,
    "marker": "",
}
ZERO = 1e-8
"""A Bayes loss below this is zero, and has no place on a logarithmic axis."""

COLUMNS = 3
REMARK = "geometric means and 95 % intervals"


@mpl.rc_context(STYLE)
def functional_gd_context(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the loss of models of three layers (or of the most there are) against pairs n.

    A panel a law of labels, a curve a kind of attention, with full value matrices; the Bayes loss.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by law of the labels, method,
        depth and position (see ``over_seeds``).
    """
    table = _losses(rows)
    table = table[~table["is_sparse"]]
    depths = table.loc[table["family"] == "trained", "iterate"]
    layers = 3 if (depths == 3).any() else depths.max()
    table = table[(table["iterate"] == layers) | (table["method"] == "bayes")]
    laws = [law for law in LABELS if law in set(table.loc[table["family"] == "trained", "law"])]
    count = "" if table.empty else f", {int(layers)} layers"
    figure, axes = panels_of(
        [f"labels: {LABELS[law]}" for law in laws],
        f"Loss against the length of the prompt{count}",
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
        panel.plot(shown["position"], shown["value"], label="Bayes", **BAYES)
        _whole(panel, here["position"])
    label_outer(axes, COLUMNS, "pairs seen, $n$", "loss")
    add_key(figure, key_of(axes), columns=5)
    return figure, table


@mpl.rc_context(STYLE)
def functional_gd_depth(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the loss against depth, a panel a law of labels and number of pairs; A = 0 if trained.

    Numbers of pairs at which models of one depth alone were trained are left out. Where models with
    full value matrices alone were trained at several depths, those are drawn.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by law of the labels, method,
        depth and position (see ``over_seeds``).
    """
    table = _losses(rows)
    trained = table[table["family"] == "trained"]
    counts = trained.groupby(["law", "position", "is_sparse"])["iterate"].nunique()
    kept = counts[counts > 1].reset_index().sort_values("is_sparse")
    kept = kept.drop_duplicates(["law", "position"], keep="last")
    keys = list(zip(kept["law"], kept["position"], kept["is_sparse"], strict=True))
    places = sorted({key[:2] for key in keys}, key=lambda at: (list(LABELS).index(at[0]), -at[1]))
    columns = ("law", "position", "is_sparse", "method")
    drawn = [
        (law, pairs, is_sparse) in keys or (method == "bayes" and (law, pairs) in places)
        for law, pairs, is_sparse, method in zip(*(table[name] for name in columns), strict=True)
    ]
    table = table[drawn]
    columns = 2 if len(places) in (2, 4) else COLUMNS
    figure, axes = panels_of(
        [f"{LABELS[law]}, n = {pairs}" for law, pairs in places],
        "Loss against depth",
        rows[rows["family"] == "trained"],
        table,
        columns=columns,
        height=1.7,
        footer=0.85,
        remark=REMARK,
    )
    for panel, (law, pairs) in zip(axes, places, strict=False):
        here = table[(table["law"] == law) & (table["position"] == pairs)]
        _draw(panel, here[here["family"] == "trained"], "iterate")
        bayes = here.loc[here["method"] == "bayes", "value"]
        if len(bayes) and float(bayes.iloc[0]) > ZERO:
            panel.axhline(float(bayes.iloc[0]), label="Bayes", **BAYES)
        low, high = panel.get_ylim()
        floor = float(bayes.iloc[0]) if len(bayes) else low
        panel.set_ylim(min(low, floor / 1.2) if floor > ZERO else low, high)
        _whole(panel, here.loc[here["family"] == "trained", "iterate"])
    label_outer(axes, columns, "layers, $L$", "loss")
    add_key(figure, key_of(axes), columns=4)
    return figure, table


def _losses(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the losses over seeds, with the law of the labels and whether A = 0."""
    found = of_metric(rows, "loss")
    found = found.assign(law=found["task"].str.split("_").str[0])
    found = found[found["law"].isin(list(LABELS)) & found["position"].notna()]
    # A number of pairs has one Bayes loss, whichever measurements share it.
    table = over_seeds(
        found.drop_duplicates(["law", "method", "iterate", "position", "seed"]),
        ["law", "method", "family", "iterate", "position"],
    )
    return table.assign(
        position=table["position"].astype(int),
        is_sparse=table["method"].str.endswith("_labels"),
        attention=table["method"].str.removesuffix("_labels"),
    )


def _draw(panel: Axes, table: pd.DataFrame, along: str) -> None:
    trained = table[table["family"] == "trained"]
    values = pd.concat([table["value"][table["value"] > ZERO], trained["low"], trained["high"]])
    log_axis([panel], values.clip(lower=trained["value"].min() / 2), low=1e-6, high=1e3)
    for name, (label, look) in ATTENTIONS.items():
        points = trained[trained["attention"] == name].sort_values(along)
        if points.empty:
            continue
        x = points[along].astype(float)
        panel.plot(x, points["value"], label=label, linewidth=1.1, markersize=3, **look)
        panel.fill_between(x, points["low"], points["high"], color=look["color"], alpha=0.15, lw=0)


def _whole(panel: Axes, values: Sequence[Any] | pd.Series) -> None:
    """Give a panel ticks at the whole numbers that were measured."""
    numbers = sorted({int(value) for value in values})
    if numbers:
        panel.xaxis.set_major_locator(FixedLocator(numbers))
        panel.xaxis.set_minor_locator(NullLocator())
        margin = 0.06 * max(1, numbers[-1] - numbers[0])
        panel.set_xlim(numbers[0] - margin, numbers[-1] + margin)

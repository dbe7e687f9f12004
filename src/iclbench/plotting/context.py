"""Error against context: how fast each method learns from the pairs it sees."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclbench.plotting.panels import (
    ERRORS,
    PAGE,
    Curve,
    Layout,
    curve_name,
    log_axis,
    make_panels,
    name_curves,
    names_width,
    note,
)
from iclbench.plotting.style import FAMILIES, STYLE, looks
from iclbench.plotting.summaries import in_order, left_out, of_metric, over_seeds
from iclbench.records.selection import drawn_from

MOST = 10
"""How many methods a panel holds, references aside."""


@drawn_from("normalised_error", last="iterate")
@mpl.rc_context(STYLE)
def context(rows: pd.DataFrame, task: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the normalised error of each method against the number of pairs seen.

    A panel a family, or several where it is large, on common axes; the references are in each. Each
    method is drawn at its last iterate.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by method and position (see
        ``over_seeds``).
    """
    errors = of_metric(rows, "normalised_error", task)
    errors = errors[errors["position"].notna()]
    last = errors.groupby("method")["iterate"].transform("max")
    table = over_seeds(
        errors[errors["iterate"] == last], ["task", "method", "family", "iterate", "position"]
    )
    references = [pair for pair in in_order(table) if pair[0] == "reference"]
    panels = _panels([pair for pair in in_order(table) if pair[0] != "reference"])
    names = [curve_name(str(name), points["value"]) for name, points in table.groupby("method")]
    right = names_width(names)
    layout = Layout(
        width=max(1.3, PAGE / 2 - Layout.left - right),
        height=1.85,
        right=right,
        below=0.2,
        footer=0.65,
    )
    figure, axes = make_panels(
        list(panels), 2, layout, f"{task}: error against context", rows, table
    )
    styles = looks(rows)
    log_axis(axes, table["value"], **ERRORS)
    for panel, pairs in zip(axes, panels.values(), strict=True):
        _draw(panel, table, [*pairs, *references], styles)
    for panel in axes[::2]:
        panel.set_ylabel("normalised error")
    for panel in axes[-2:]:
        panel.set_xlabel("pairs seen, $t$")
    absent = sorted(left_out(rows[rows["task"] == task])["method"])
    if absent:
        note(figure, f"Left out (reasons in the leaderboard): {', '.join(absent)}", lines=3)
    return figure, table


def _panels(pairs: list[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    panels: dict[str, list[tuple[str, str]]] = {}
    for family, title in FAMILIES.items():
        members = [pair for pair in pairs if pair[0] == family]
        parts = -(-len(members) // MOST)
        size = -(-len(members) // max(1, parts))
        for part in range(parts):
            name = f"{title} ({part + 1} of {parts})" if parts > 1 else title
            panels[name] = members[part * size : (part + 1) * size]
    return panels or {"References": []}


def _draw(
    axes: Axes,
    table: pd.DataFrame,
    pairs: list[tuple[str, str]],
    styles: dict[tuple[str, str], dict[str, Any]],
) -> None:
    curves = []
    for index, pair in enumerate(pairs):
        method, style = pair[1], styles[pair]
        points = table[table["method"] == method]
        seen = points["position"].astype(float)
        every = max(1, len(points) // 5)
        axes.plot(
            seen,
            points["value"],
            label=method,
            markevery=(index * every // max(1, len(pairs)), every),
            **style,
        )
        axes.fill_between(
            seen, points["low"], points["high"], color=style["color"], alpha=0.15, lw=0
        )
        name = curve_name(method, points["value"])
        curves.append(Curve(seen.iloc[-1], points["value"].iloc[-1], name, style))
    if len(table):
        axes.set_xlim(0, max(1.0, float(table["position"].max())))
    name_curves(axes, curves)

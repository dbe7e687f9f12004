"""Errors of causal kernel descent against context and depth, and its way to the limit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclbench.plotting.drawing import (
    CEILING,
    add_key,
    count_axis,
    draw_band,
    error_axis,
    key_of,
    label_outer,
    panels_of,
    shades,
)
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import over_quantiles
from iclbench.studies.ckd.drawing import DASHES, LIMIT, described, title_of

COLUMNS = 3
MOST_DEPTHS = 5
PANEL = ["task", "attention"]


@mpl.rc_context(STYLE)
def ckd_context(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the error against the number of pairs seen at several depths, and in the limit.

    A panel a measurement and attention, at the middle one of its steps.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` over seeds.
    """
    errors = described(rows, "error")
    errors = errors[errors["position"].fillna(0) > 0]
    limit = errors["step"].isna()
    errors = errors[limit | (errors["step"] == _middle(errors["step"]))]
    depths = _spread(errors.loc[errors["step"].notna(), "iterate"], MOST_DEPTHS)
    errors = errors[errors["step"].isna() | errors["iterate"].isin(depths)]
    table = over_quantiles(errors, [*PANEL, "step", "iterate", "position"])
    panels = _panels(table)
    columns = _columns(panels)
    titles = [_title(*panel) for panel in panels]
    step = _middle(table["step"])
    words = f", step {step:g}/κ" if np.isfinite(step) else ""
    figure, axes = panels_of(titles, f"Error against context{words}", rows, table, columns=columns)
    _titled(axes, titles, columns)
    for panel, (task, attention) in zip(axes, panels, strict=False):
        here = table[(table["task"] == task) & (table["attention"] == attention)]
        error_axis(panel, here)
        for depth, colour in zip(depths, shades(len(depths)), strict=True):
            points = here[here["step"].notna() & (here["iterate"] == depth)]
            look = {"color": colour, "linewidth": 1.0, "marker": "o", "markersize": 1.8}
            draw_band(panel, points["position"].astype(float), points, label=f"n = {depth}", **look)
        points = here[here["step"].isna()]
        draw_band(panel, points["position"].astype(float), points, label="n → ∞ (limit)", **LIMIT)
        count_axis(panel, here["position"], 10)
    label_outer(axes, columns, "pairs seen, $t$", "error $|u_t - x_{t+1}|$")
    add_key(figure, key_of(axes))
    return figure, table


@mpl.rc_context(STYLE)
def ckd_depth(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the error after the last pair against depth, by step, with the limit as a level.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` over seeds.
    """
    errors = described(rows, "error")
    last = errors.groupby("task")["position"].transform("max")
    errors = errors[errors["position"] == last]
    table = over_quantiles(errors, [*PANEL, "step", "iterate", "position"])
    return _against_depth(
        rows, table, "Error after the last pair against depth", "error $|u_t - x_{t+1}|$"
    )


@mpl.rc_context(STYLE)
def ckd_transient(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the largest distance of a prompt's predictions from their limit against depth, by step.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` over seeds.
    """
    table = over_quantiles(described(rows, "limit_distance"), [*PANEL, "step", "iterate"])
    return _against_depth(
        rows,
        table,
        "Distance from the limit against depth",
        r"largest $|u_t^n - u_t^\infty|$",
        ceiling=np.inf,
    )


def _against_depth(
    rows: pd.DataFrame, table: pd.DataFrame, title: str, quantity: str, ceiling: float = CEILING
) -> tuple[Figure, pd.DataFrame]:
    panels = _panels(table)
    steps = sorted(table["step"].dropna().unique(), reverse=True)
    columns = _columns(panels)
    titles = [_title(*panel) for panel in panels]
    figure, axes = panels_of(titles, title, rows, table, columns=columns)
    _titled(axes, titles, columns)
    for panel, (task, attention) in zip(axes, panels, strict=False):
        here = table[(table["task"] == task) & (table["attention"] == attention)]
        error_axis(panel, here, ceiling)
        for index, step in enumerate(steps):
            points = here[(here["step"] == step) & (here["iterate"] > 0)]
            look = {
                "color": COLOURS[index % len(COLOURS)],
                "linestyle": DASHES[index % len(DASHES)],
                "linewidth": 1.1,
            }
            draw_band(panel, points["iterate"], points, label=f"step {step:g}/κ", **look)
        limit = here[here["step"].isna()]
        if len(limit):
            panel.axhline(limit["value"].iloc[0], label="limit", **LIMIT)
        count_axis(panel, here["iterate"], 2)
    label_outer(axes, columns, "depth, $n$", quantity)
    add_key(figure, key_of(axes))
    return figure, table


def _title(task: str, attention: str) -> str:
    """Return a panel's title; short where the measurement's name ends in the cycles' τ and d."""
    title = title_of(attention)
    cycles = re.fullmatch(r".*_tau_(\d+)_dim_(\d+)", task)
    if cycles is None:
        return f"{task.replace('_', ' ')}: {title}"
    short = title.replace("exponential", "exp.").replace(", β = ", " β=")
    return f"τ={cycles[1]} d={cycles[2]}: {short}"


def _panels(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return measurement and attention of each panel, numbers in names in their order."""
    panels = table[PANEL].drop_duplicates().itertuples(index=False, name=None)
    return sorted(panels, key=lambda panel: [_natural(name) for name in panel])


def _titled(axes: Sequence[Axes], titles: Sequence[str], columns: int) -> None:
    """Write the titles of narrow panels in smaller letters."""
    if columns > COLUMNS:
        for panel, title in zip(axes, titles, strict=False):
            panel.set_title(title, size=6.5, weight="normal", pad=4)


def _natural(name: str) -> list[tuple[float, str]]:
    parts = re.split(r"(\d+\.?\d*)", name)
    return [(float(part), "") if part[:1].isdigit() else (0.0, part) for part in parts]


def _columns(panels: Sequence[tuple[str, str]]) -> int:
    """Return how many panels stand side by side: a measurement a line where all have as many."""
    counts = Counter(task for task, _ in panels)
    alike = set(counts.values())
    return alike.pop() if len(alike) == 1 and min(alike) in (3, 4) else COLUMNS


def _middle(steps: pd.Series) -> float:
    distinct = sorted(steps.dropna().unique())
    return distinct[len(distinct) // 2] if distinct else np.nan


def _spread(depths: pd.Series, most: int) -> Sequence[int]:
    """Return at most so many of the depths, evenly spaced in rank, the deepest among them."""
    distinct = sorted(map(int, depths.unique()))
    every = max(1, -(-len(distinct) // most))
    return distinct[::-1][::every][::-1]

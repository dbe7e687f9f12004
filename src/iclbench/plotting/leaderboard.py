"""The leaderboard: every method on every task."""

from __future__ import annotations

import textwrap
from string import ascii_letters

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iclbench.plotting.panels import POINT, stamp, text_width
from iclbench.plotting.style import FAMILIES, STYLE
from iclbench.plotting.summaries import last_quarter, left_out, of_metric, over_seeds

CELL_WIDTH, CELL_HEIGHT, GAP = 0.285, 0.165, 0.16
NUMBER, KEY = 6.0, 6.5
COLOURS = mpl.colormaps["RdBu_r"]
RANGE = TwoSlopeNorm(0, -4, 2)  # of log10: white is the error of predicting zero
FRAME = "#F5A300"  # stands out from the blues as from white
EXACT = 1e-12
"""Normalised errors below this are rounding: none is better than another."""


@mpl.rc_context(STYLE)
def leaderboard(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the normalised error of every method (line) on every task (column).

    The error is that of the last iterate, averaged over the last quarter of positions. Methods are
    grouped by family, within it the best (by its median rank over the tasks it ran on) on top. The
    best of each column, references aside, is framed. Pairs left out are hatched, with a letter for
    the reason; diverged ones are black.

    Returns:
        The figure, and what it draws: one line a cell, with ``value``, ``status``, ``letter`` and
        ``best``.
    """
    table = _cells(rows)
    tasks = sorted(table["task"].unique())
    methods = _in_order(table)
    families = list(dict.fromkeys(family for family, _ in methods))
    reasons = table.dropna(subset="letter").drop_duplicates("letter").set_index("letter")["reason"]

    left = 0.15 + max(map(text_width, (name for _, name in methods)), default=0.5)
    above = 0.45 + max(map(text_width, tasks), default=0.3)
    wide = max(left + len(tasks) * CELL_WIDTH + 0.12, 5.6)
    key = _key_lines(reasons, wide)
    body = GAP + len(methods) * CELL_HEIGHT + len(families) * GAP
    high = above + body + 0.45 + (len(key) + 2) * (KEY + 2.5) * POINT
    figure = Figure(figsize=(wide, high))
    axes = figure.add_axes(
        (left / wide, 1 - (above + body) / high, len(tasks) * CELL_WIDTH / wide, body / high)
    )
    _draw_cells(axes, table, tasks, methods, families)

    figure.text(0.08 / wide, 1 - 0.08 / high, "Leaderboard", size=8.5, weight="bold", va="top")
    bottom = 1 - (above + body + 0.2) / high
    _draw_bar(figure, (0.25 / wide, bottom, 1.9 / wide, 0.08 / high))
    figure.text(
        0.08 / wide, bottom - 0.32 / high, "\n".join(key), size=KEY, va="top", linespacing=1.3
    )
    stamp(figure, rows, table)
    return figure, table


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    errors = last_quarter(of_metric(rows, "normalised_error"))
    last = errors.groupby(["task", "method"])["iterate"].transform("max")
    ran = over_seeds(errors[errors["iterate"] == last], ["task", "method", "family", "iterate"])
    ran = ran.assign(status=np.where(ran["value"].isna(), "diverged", "ok"))
    absent = left_out(rows).assign(status="left out")
    keys = ["task", "method", "family"]
    table = pd.merge(ran, absent, on=[*keys, "status"], how="outer").sort_values(keys)
    table["reason"] = table["reason"].astype("str")
    letters = dict(zip(sorted(table["reason"].dropna().unique()), ascii_letters, strict=False))
    rivals = table["value"].where(table["family"] != "reference")
    least = rivals.groupby(table["task"]).transform("min").clip(lower=EXACT)
    return table.assign(
        letter=table["reason"].map(letters).astype("str"), best=rivals <= least
    ).reset_index(drop=True)


def _in_order(table: pd.DataFrame) -> list[tuple[str, str]]:
    ran = table[table["status"] != "left out"]
    ranks = ran["value"].clip(lower=EXACT).fillna(np.inf).groupby(ran["task"]).rank(pct=True)
    median = ranks.groupby(ran["method"]).median()
    pairs = table[["family", "method"]].drop_duplicates().itertuples(index=False, name=None)
    place = list(FAMILIES).index
    return sorted(pairs, key=lambda pair: (place(pair[0]), median.get(pair[1], 2.0), pair[1]))


def _draw_cells(
    axes: Axes,
    table: pd.DataFrame,
    tasks: list[str],
    methods: list[tuple[str, str]],
    families: list[str],
) -> None:
    heights = {}
    for index, (family, method) in enumerate(methods):
        above = GAP * (families.index(family) + 1)
        heights[method] = above + (index + 0.5) * CELL_HEIGHT
    for row in table.to_dict("records"):
        x, y = tasks.index(row["task"]), heights[row["method"]]
        face, ink, text = "0.93", "0.35", row["letter"]
        if row["status"] == "diverged":
            face, ink, text = "black", "white", "×"
        elif row["status"] == "ok":
            shade = np.log10(np.maximum(row["value"], 1e-300))
            face = COLOURS(float(np.clip(RANGE(shade), 0, 1)))
            ink = "white" if np.dot(face[:3], (0.3, 0.59, 0.11)) < 0.5 else "black"
            text = compact(row["value"])
        box = Rectangle((x, y - CELL_HEIGHT / 2), 1, CELL_HEIGHT, fc=face, ec="white", lw=0.6)
        if row["status"] == "left out":
            box.set(hatch="/////", edgecolor="0.8")
        axes.add_patch(box)
        if row["best"]:
            inset = (x + 0.03, y - 0.44 * CELL_HEIGHT)
            frame = Rectangle(inset, 0.94, 0.88 * CELL_HEIGHT, fill=False, ec=FRAME, lw=1.3)
            axes.add_patch(frame)
        words = axes.text(x + 0.5, y, text, size=NUMBER, color=ink, ha="center", va="center")
        if row["status"] == "left out":
            words.set_bbox({"facecolor": face, "edgecolor": "none", "pad": 0.4})
    axes.set_xlim(0, max(1, len(tasks)))
    axes.set_ylim(GAP + len(methods) * CELL_HEIGHT + len(families) * GAP, 0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=2)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(len(tasks)) + 0.5, tasks, rotation=90)
    axes.set_yticks(list(heights.values()), [method for _, method in methods])
    for index, family in enumerate(families):
        before = sum(place < index for place in (families.index(kind) for kind, _ in methods))
        top = before * CELL_HEIGHT + (index + 1) * GAP
        axes.text(0, top - 0.04, FAMILIES[family], size=7, weight="bold", va="bottom")


def compact(value: float) -> str:
    """Return a positive number in at most five characters.

    Examples:
        >>> [compact(value) for value in (0.0, 3.2e-12, 0.0096, 0.0123, 0.5, 0.996, 12.3, 4567.0)]
        ['0', '3e-12', '.0096', '.012', '.50', '1.0', '12', '5e3']
    """
    rounded = float(f"{value:.2g}")
    if rounded == 0:
        return "0"
    if rounded < 1e-3 or rounded >= 1000:
        digit, exponent = f"{value:.0e}".split("e")
        return f"{digit}e{int(exponent)}"
    decimals = max(0, 1 - int(np.floor(np.log10(rounded))))
    return f"{rounded:.{decimals}f}".removeprefix("0")


def _key_lines(reasons: pd.Series, wide: float) -> list[str]:
    signs = [
        "framed: the best of its task, references aside",
        "×: diverged",
        "blank: not asked for",
    ]
    if len(reasons):
        signs.append("hatched: left out, because the method")
    lines = [";  ".join(signs)]
    characters = int((wide - 0.2) / (0.56 * KEY * POINT))
    for letter, reason in reasons.sort_index().items():
        lines += textwrap.wrap(f"{letter}  {reason}", characters, subsequent_indent="    ")
    return [line for part in lines for line in textwrap.wrap(part, characters) or [""]]


def _draw_bar(figure: Figure, box: tuple[float, float, float, float]) -> None:
    bar = figure.colorbar(
        ScalarMappable(RANGE, COLOURS),
        cax=figure.add_axes(box),
        orientation="horizontal",
        extend="both",
        ticks=[-4, -3, -2, -1, 0, 1, 2],
    )
    bar.ax.set_xticklabels([f"$10^{{{power}}}$" for power in range(-4, 3)])
    bar.ax.tick_params(labelsize=6, pad=1.5)
    bar.ax.text(
        1.14,
        0.5,
        "normalised error, last iterate, last quarter of positions",
        transform=bar.ax.transAxes,
        va="center",
        size=KEY,
    )

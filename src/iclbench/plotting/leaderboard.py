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
from iclbench.records.selection import drawn_from

CELL_WIDTH, CELL_HEIGHT, GAP, NARROWEST = 0.285, 0.14, 0.17, 3.4
NUMBER, KEY = 6.0, 6.5
KEY_STEP = 9 * POINT
COLOURS = mpl.colormaps["RdBu_r"]
RANGE = TwoSlopeNorm(0, -4, 2)  # of log10: white is the error of predicting zero
FRAME = "#F5A300"  # stands out from the blues as from white
EXACT = 1e-12
"""Normalised errors below this are rounding: none is better than another."""


@drawn_from("normalised_error", last="iterate")
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
    heading = text_width("Leaderboard", 10.0)  # as wide as in bold at 8.5
    left = 0.15 + max([heading, *(text_width(name) for _, name in methods)])
    above = 0.12 + max(map(text_width, tasks), default=0.3)
    wide = max(left + len(tasks) * CELL_WIDTH + 0.12, NARROWEST)
    key = _key_lines(table, wide)
    body = len(methods) * CELL_HEIGHT + len(families) * GAP
    high = above + body + 0.8 + len(key) * KEY_STEP
    figure = Figure(figsize=(wide, high))
    top = above
    for index, family in enumerate(families):
        members = [name for kind, name in methods if kind == family]
        tall = len(members) * CELL_HEIGHT
        top += GAP + tall
        box = (left / wide, 1 - top / high, len(tasks) * CELL_WIDTH / wide, tall / high)
        axes = figure.add_axes(box)
        _draw_cells(axes, table[table["family"] == family], tasks, members)
        axes.set_title(FAMILIES[family], size=7, pad=2, y=1)
        if index == 0:
            axes.xaxis.tick_top()
            axes.set_xticks(np.arange(len(tasks)) + 0.5, tasks, rotation=90)
            axes.tick_params(axis="x", length=0, pad=GAP / POINT)

    figure.text(0.08 / wide, 1 - 0.08 / high, "Leaderboard", size=8.5, weight="bold", va="top")
    _draw_bar(figure, (0.2 / wide, 1 - (above + body + 0.36) / high, 2.2 / wide, 0.08 / high))
    bottom = 1 - (above + body + 0.6) / high
    figure.text(0.08 / wide, bottom, "\n".join(key), size=KEY, va="top", linespacing=1.3)
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


def _draw_cells(axes: Axes, cells: pd.DataFrame, tasks: list[str], methods: list[str]) -> None:
    import seaborn

    grid = cells.pivot(index="method", columns="task", values="value")
    values = grid.reindex(index=methods, columns=tasks).to_numpy()
    seaborn.heatmap(
        np.log10(np.maximum(values, 1e-300)),
        ax=axes,
        annot=np.vectorize(compact, otypes=[object])(np.nan_to_num(values)),
        fmt="",
        annot_kws={"size": NUMBER},
        cmap=COLOURS,
        norm=RANGE,
        vmin=RANGE.vmin,  # not looked for in the values, which may all be missing
        vmax=RANGE.vmax,
        cbar=False,
        linewidths=0.6,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
    )
    for cell in cells.to_dict("records"):
        x, y = tasks.index(cell["task"]), methods.index(cell["method"])
        centre = {"x": x + 0.5, "y": y + 0.5, "size": NUMBER, "ha": "center", "va": "center"}
        if cell["status"] == "diverged":
            axes.add_patch(Rectangle((x, y), 1, 1, fc="black", ec="white", lw=0.6))
            axes.text(s="×", color="white", **centre)
        elif cell["status"] == "left out":
            axes.add_patch(Rectangle((x, y), 1, 1, fc="0.93", ec="0.8", lw=0.6, hatch="/////"))
            words = axes.text(s=cell["letter"], color="0.35", **centre)
            words.set_bbox({"facecolor": "0.93", "edgecolor": "none", "pad": 0.4})
        elif cell["best"]:
            inset = (x + 0.03, y + 0.06)
            axes.add_patch(Rectangle(inset, 0.94, 0.88, fill=False, ec=FRAME, lw=1.3))
    axes.set_yticks(np.arange(len(methods)) + 0.5, methods)
    axes.tick_params(length=0, pad=2)
    axes.grid(visible=False)


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


def _key_lines(table: pd.DataFrame, wide: float) -> list[str]:
    reasons = table.dropna(subset="letter").drop_duplicates("letter").set_index("letter")["reason"]
    signs = [
        f"framed: the best of its task, references aside (errors below {EXACT:.0e} are equal)",
        "×: diverged",
        "blank: not asked for or, of bayes, not known",
        *(["hatched: left out, because the method"] if len(reasons) else []),
    ]
    characters = int((wide - 0.2) / (0.56 * KEY * POINT))
    lines = textwrap.wrap(";  ".join(signs), characters)
    for letter, reason in reasons.sort_index().items():
        lines += textwrap.wrap(f"{letter}  {reason}", characters, subsequent_indent="    ")
    return lines


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
    words = "normalised error, last iterate, last quarter of positions"
    bar.ax.set_title(words, size=KEY, weight="normal", pad=3)

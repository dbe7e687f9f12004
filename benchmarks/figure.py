"""The figures of a run: ratios, growth with size, and the losses along trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.running import Results
from iclbench.plotting.panels import (
    Curve,
    Layout,
    make_panels,
    name_curves,
    names_width,
    note,
    text_width,
)
from iclbench.plotting.saving import save
from iclbench.plotting.style import COLOURS, STYLE

INK, GOOD, BAD = COLOURS[0], COLOURS[2], COLOURS[1]
LOOKS: dict[str, dict[str, Any]] = {
    "reference": {"color": "0.6", "linewidth": 2.0},
    "ours": {"color": INK, "linewidth": 0.7},
}
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
SPARSE = FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "246" else "")
ROW = 0.165
LABEL = 6.5


def draw(results: Results, folder: Path, scale: str) -> None:
    """Write the figures that the results have rows for into a folder."""
    for name, (make, table) in {
        "ratios": (ratios, compared(results.table("ratios"))),
        "growth": (growth, grown(results.table("timings"), results.table("ratios"))),
        "curves": (curves, results.table("curves")),
    }.items():
        if len(table):
            drawn = table.assign(scale=scale)
            with mpl.rc_context(STYLE):
                save(make(drawn), drawn, folder / name)


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons of which a ratio says something, a row each."""
    shown = table[table["ratio"].notna() & (table["quantity"] != "excess")]
    by_ratio = shown.sort_values("quantity", key=lambda kind: kind != "ratio", kind="stable")
    first = by_ratio.drop_duplicates(["case", "series", "size"]).sort_index()
    return first.reset_index(drop=True)


def ratios(table: pd.DataFrame) -> Figure:
    """Draw the reference's seconds over ours, their range over repetitions, and the aims."""
    labels = [f"{row['series']}, {row['size']}" for row in table.to_dict("records")]
    cases = list(dict.fromkeys(table["case"]))
    side = max(text_width(text, LABEL) for text in [*labels, *cases]) + 0.25
    lines = len(table) + len(cases)
    layout = Layout(
        width=7 - side - 0.75,
        height=ROW * (lines + 0.5),
        left=side,
        right=0.75,
        above=0.1,
        below=0.2,
    )
    figure, (axes,) = make_panels(
        [""], 1, layout, "Seconds of the reference over ours", table, table
    )
    axes.set_xscale("log")
    axes.axvline(1, color="0.4", linewidth=0.6, zorder=0)
    place = {}
    line = 0
    for case in cases:
        _beside(axes, line, case, weight="bold")
        line += 1
        for index in table.index[table["case"] == case]:
            place[index] = line
            line += 1
    for index, row in table.iterrows():
        assert isinstance(index, int)
        at = place[index]
        aim = row["bound"] if row["quantity"] == "ratio" else np.nan
        met = bool(row["met"]) if np.isfinite(aim) else None
        colour = {True: GOOD, False: BAD, None: INK}[met]
        face = "white" if met is False else colour
        axes.plot([row["ratio_low"], row["ratio_high"]], [at, at], color=colour, linewidth=1.0)
        axes.plot(row["ratio"], at, "o", color=colour, markerfacecolor=face, markersize=3.5)
        axes.plot([aim, aim], [at - 0.38, at + 0.38], color="black", linewidth=1.4)
        _beside(axes, at, labels[index])
        value = f"{row['ratio']:.3g}"
        axes.annotate(
            value, (1, at), (4, 0), axes.get_yaxis_transform(), "offset points", va="center"
        )
    axes.set_ylim(lines - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_formatter(NullFormatter())
    note(figure, "Dot: median; line: range over repetitions; bar: the aim, met by a full dot.")
    return figure


def _beside(axes: Axes, at: float, text: str, weight: str = "normal") -> None:
    axes.annotate(
        text,
        (0, at),
        (-5, 0),
        axes.get_yaxis_transform(),
        "offset points",
        ha="right",
        va="center",
        size=LABEL,
        weight=weight,
    )


def grown(timings: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return our median seconds and the floor at every size of the series that grow."""
    some = timings[timings["axis"].notna() & (timings["side"] == "ours")]
    keys = ["case", "series", "axis", "at", "size"]
    medians = some.groupby(keys, sort=False)["seconds"].median().reset_index()
    floors = found.drop_duplicates(["case", "series", "size"])
    return medians.merge(
        floors[["case", "series", "size", "floor_s"]], on=["case", "series", "size"]
    )


def growth(table: pd.DataFrame) -> Figure:
    """Draw seconds against size, a panel a case, with the exponents that fit."""
    from benchmarks.tables import slope

    cases = list(dict.fromkeys(table["case"]))
    named = {
        (case, series): f"{series}: {slope(some['at'], some['seconds']):.2f}"
        for (case, series), some in table.groupby(["case", "series"], sort=False)
    }
    beside = names_width(list(named.values()))
    layout = Layout(width=3.5 - 0.55 - beside, height=1.5, left=0.55, right=beside, below=0.42)
    figure, panels = make_panels(cases, 2, layout, "Seconds against size", table, table)
    for case, axes in zip(cases, panels, strict=True):
        own = table[table["case"] == case]
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ends = []
        for number, (series, some) in enumerate(own.groupby("series", sort=False)):
            look = {"color": COLOURS[number], "marker": "o", "markersize": 3, "linewidth": 1.2}
            axes.plot(some["at"], some["seconds"], **look)
            axes.plot(some["at"], some["floor_s"], color=COLOURS[number], linestyle=(0, (1, 1.5)))
            last = some.iloc[-1]
            ends.append(Curve(last["at"], last["seconds"], named[case, series], look))
        sizes = sorted(own["at"].unique())
        step = -(-len(sizes) // 5)
        axes.set_xticks(sizes[::-step], [f"{size:g}" for size in sizes[::-step]])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(own["axis"].iloc[0])
        axes.set_ylabel("seconds")
        axes.set_ylim(axes.get_ylim())
        axes.set_xlim(sizes[0] / 1.2, sizes[-1] * 1.2)
        name_curves(axes, ends)
    note(
        figure,
        "Beside each curve, the power of the size that its larger half grows with. Dots: floor, "
        "operations at the rate of large products.",
    )
    return figure


def curves(table: pd.DataFrame) -> Figure:
    """Draw the losses along trainings of both sides.

    Where both take the same steps, their mean against the step and its range over repetitions;
    else each repetition against the seconds.
    """
    groups = list(table.groupby(["case", "series"], sort=False))
    layout = Layout(width=2.75, height=1.7, left=0.55, right=0.2, below=0.45)
    titles = [f"{case}, {series}" for (case, series), _ in groups]
    figure, panels = make_panels(titles, 2, layout, "The loss along trainings", table, table)
    for axes, (_, some) in zip(panels, groups, strict=True):
        steps = {side: set(own["step"]) for side, own in some.groupby("side")}
        together = steps.get("ours") == steps.get("reference")
        for side, look in LOOKS.items():
            own = some[some["side"] == side]
            axes.plot([], [], label=side, **look)
            if together:
                over = own.groupby("step")["loss"].agg(["mean", "min", "max"])
                axes.plot(over.index, over["mean"], **look)
                axes.fill_between(
                    over.index,
                    over["min"],
                    over["max"],
                    color=look["color"],
                    alpha=0.2,
                    linewidth=0,
                )
            else:
                for _, run in own.groupby("repetition"):
                    axes.plot(run["seconds"], run["loss"], **look)
        axes.set_xlabel("step" if together else "seconds")
        axes.set_ylabel("mean squared error")
        if not together:
            axes.loglog()
            axes.xaxis.set_major_formatter(PLAIN)
            axes.yaxis.set_major_formatter(PLAIN)
            axes.yaxis.set_minor_formatter(SPARSE)
        axes.legend(loc="upper right")
    note(
        figure,
        "Against seconds, a line a repetition, of test sequences; against steps, mean and range of "
        "repetitions, of the batches trained on.",
    )
    return figure

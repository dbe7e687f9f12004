"""How many windows of a text no linear map reproduces."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclbench.plotting.panels import Layout, make_panels, note
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import left_out, of_metric

ENCODERS = {
    f"{encoder}{suffix}": f"{name}{said}"
    for encoder, name in {"random": "Random vectors", "gpt2": "GPT-2's embeddings"}.items()
    for suffix, said in {"": "", "_no_marks": ", no marks"}.items()
}
ORDERS = {"original": COLOURS[0], "shuffled": COLOURS[1]}
BINS = 40


@mpl.rc_context(STYLE)
def icar_text(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the errors of the windows that no linear map reproduces, and their number.

    Returns:
        The figure, and what it draws: ``value`` by method, ``order``, metric (``window_error`` of
        seed 0, ``inconsistent``), seed and rank.
    """
    table = pd.concat(of_metric(rows, name) for name in ("window_error", "inconsistent"))
    table = table[["method", "reference", "metric", "seed", "position", "value", "n"]]
    table = table.rename(columns={"reference": "order"}).reset_index(drop=True)
    table = table[table["value"].notna()]
    methods = [name for name in ENCODERS if name in set(table["method"])]
    titles = [
        f"{ENCODERS[name]}: {what}"
        for name in methods or ["random"]
        for what in ("error", "number")
    ]
    layout = Layout(width=2.75, height=1.5, left=0.55, right=0.15, below=0.35)
    title = "Windows that no linear map reproduces"
    figure, axes = make_panels(titles, 2, layout, title, rows, table)
    for index, name in enumerate(methods):
        chosen = table[table["method"] == name]
        _histogram(axes[2 * index], chosen[chosen["metric"] == "window_error"])
        _counts(axes[2 * index + 1], chosen[chosen["metric"] == "inconsistent"])
    absent = left_out(rows).drop_duplicates("method")
    pairs = zip(absent["method"], absent["reason"], strict=True)
    said = [f"{ENCODERS.get(method, method)}: {reason}" for method, reason in pairs]
    note(figure, "Left out: " + "; ".join(said) if said else "")
    return figure, table


def _histogram(axes: Axes, errors: pd.DataFrame) -> None:
    most = float(errors["value"].max()) if len(errors) else 1.0
    edges = [float(edge) for edge in np.linspace(0, 1.05e4 * most, BINS + 1)]
    for order, colour in ORDERS.items():
        values = 1e4 * errors.loc[errors["order"] == order, "value"].to_numpy(dtype=float)
        axes.hist(values, edges, color=colour, alpha=0.25)
        axes.hist(values, edges, histtype="step", color=colour, linewidth=1.0, label=order)
    axes.set_xlim(0, edges[-1])
    axes.set_xlabel("mean square error of the window, $\\times 10^{-4}$")
    axes.set_ylabel("windows")
    axes.legend(loc="upper left")


def _counts(axes: Axes, counts: pd.DataFrame) -> None:
    for place, (order, colour) in enumerate(ORDERS.items()):
        values = counts.loc[counts["order"] == order, "value"].to_numpy(dtype=float)
        if not len(values):
            continue
        axes.barh(place, values.mean(), height=0.55, color=colour, alpha=0.35)
        spots = place + 0.15 * np.linspace(-1, 1, len(values)) * (len(values) > 1)
        axes.plot(values, spots, "o", color=colour, markersize=2.5, markeredgewidth=0)
        shown = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "size": 7}
        axes.annotate(f"{values.mean():.0f}", (values.max(), place), **shown)
    axes.set_yticks(range(len(ORDERS)), list(ORDERS))
    axes.set_ylim(len(ORDERS) - 0.4, -0.6)
    most = float(counts["value"].max()) if len(counts) else 1.0
    axes.set_xlim(0, 1.15 * max(1.0, most))
    total = ", ".join(f"{count:,}" for count in sorted(counts["n"].unique()))
    axes.set_xlabel(f"inconsistent windows, of {total}")
    axes.grid(visible=False, axis="y")

"""The closed forms of the paper's theory against what is sampled, optimised and trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from iclbench.measures.intervals import half_width
from iclbench.plotting.panels import PAGE, Layout, make_panels
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric

STEP, RATIO, LOSS = "step_size_times_length", "least_loss_ratio", "loss"
LEAST, DIFFERENCE, COSINE = "least_loss", "relative_difference", "prediction_similarity"
LIMITS = {STEP: 1.5, RATIO: 0.25}
LAWS = {"unitary": COLOURS[0], "orthogonal": COLOURS[1]}
GRADIENT_STEP = "gd_one_step_complex"
TITLES = (
    "Best step size",
    "Least loss",
    "Loss against the step size",
    "Least loss with few heads",
    "Closed form against samples",
    "Trained against gradient step",
)
CIRCLE: dict[str, Any] = {
    "linestyle": "",
    "marker": "o",
    "markersize": 5,
    "markerfacecolor": "none",
    "markeredgewidth": 0.7,
}


@mpl.rc_context(STYLE)
def icar_theory(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw what a theory of one layer predicts, circles, and what is found, dots.

    Returns:
        The figure, and what it draws: ``value`` by task, method, metric, seed, ``iterate`` (prompt
        length, or number of heads) and ``reference_iterate`` (step size, in percent of the best).
    """
    chosen = [of_metric(rows, name) for name in (STEP, RATIO, LOSS, LEAST, DIFFERENCE)]
    cosines = of_metric(rows, COSINE)
    is_one = cosines["reference"].eq(GRADIENT_STEP) & cosines["family"].eq("trained")
    chosen.append(cosines[is_one & cosines["position"].isna()])
    table = pd.concat(chosen)
    columns = ["task", "method", "metric", "seed", "iterate", "reference_iterate", "value"]
    is_loss = table["metric"].eq(LOSS)
    table = table[~is_loss | table["method"].isin(["closed_form", "one_step"])]
    table = table[columns].reset_index(drop=True)
    room = {"left": 0.47, "right": 0.1}
    layout = Layout(width=PAGE / 3 - sum(room.values()), height=1.35, below=0.4, **room)
    title = "One layer: theory and measurement"
    figure, axes = make_panels(TITLES, 3, layout, title, rows, table)
    steps = table[table["method"].isin(["closed_form", "one_step"])]
    dims = _dims(steps)
    for panel, metric in zip(axes, (STEP, RATIO), strict=False):
        _by_length(panel, steps[steps["metric"] == metric], metric, dims)
    _by_step(axes[2], steps[steps["metric"] == LOSS], dims)
    _by_heads(axes[3], table[(table["metric"] == LEAST) & ~table.index.isin(steps.index)])
    found = table[table["metric"] == DIFFERENCE]
    names = ["unitary", "orthogonal", "unitary_as_coded"]
    _strips(axes[4], found.assign(value=100 * found["value"]), names)
    for panel, metric in zip(axes, (STEP, RATIO, LOSS, LEAST), strict=False):
        if table.loc[table["metric"] == metric, "value"].isna().all():
            panel.set_ylim(0, 1)
    axes[4].set_xlabel("relative difference, %", labelpad=1)
    found = table[table["metric"] == COSINE]
    _strips(axes[5], found, sorted(found["method"].unique()))
    axes[5].set_xlabel("mean cosine of predictions", labelpad=1)
    _scale_strips(axes[4], 100 * table.loc[table["metric"] == DIFFERENCE, "value"])
    return figure, table


def _dims(steps: pd.DataFrame) -> dict[str, str]:
    """Return what the legend calls each table: d = least loss / (its ratio (Tmax - 1))."""
    exact = steps[steps["method"] == "closed_form"]
    exact = exact[exact["metric"].isin([LEAST, RATIO])]
    found = {}
    for task, each in exact.groupby("task"):
        wide = each.pivot_table(index="iterate", columns="metric", values="value")
        if {LEAST, RATIO} <= set(wide):
            dim = (wide[LEAST] / wide[RATIO] / (wide.index.to_numpy(dtype=float) - 1)).mean()
            found[str(task)] = f"$d = {dim:.0f}$"
    return found


def _means(values: pd.DataFrame, along: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return abscissae, means over seeds and the half widths of their 95 % Student intervals."""
    groups = values.astype({"value": float}).groupby(along)["value"]
    mean = groups.mean()
    half = half_width(groups.std().to_numpy(), groups.size().to_numpy())
    return mean.index.to_numpy(dtype=float), mean.to_numpy(), np.nan_to_num(half)


def _points(axes: Axes, values: pd.DataFrame, along: str, look: dict[str, Any]) -> None:
    x, mean, half = _means(values, along)
    axes.errorbar(
        x, mean, half, elinewidth=0.8, linewidth=0.8, marker="o", markersize=2.5, capsize=0, **look
    )


def _circles(axes: Axes, values: pd.DataFrame, along: str, colour: Any) -> None:
    axes.plot(values[along].astype(float), values["value"], color=colour, **CIRCLE)


def _by_length(axes: Axes, values: pd.DataFrame, metric: str, dims: dict[str, str]) -> None:
    axes.set_xscale("log")
    axes.axhline(LIMITS[metric], color="0.5", linewidth=0.8, linestyle=(0, (4, 2)))
    for colour, (task, each) in zip(COLOURS, values.groupby("task"), strict=False):
        is_exact = each["method"] == "closed_form"
        _circles(axes, each[is_exact], "iterate", colour)
        label = dims.get(str(task), str(task))
        _points(axes, each[~is_exact], "iterate", {"color": colour, "label": label})
    lengths = sorted(int(length) for length in values["iterate"].unique()) or [1, 10]
    axes.set_xlim(lengths[0] / 1.4, lengths[-1] * 1.4)
    axes.xaxis.set_major_locator(FixedLocator(_apart(lengths)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("prompt length $T_{max}$", labelpad=1)
    names = {STEP: "$\\eta^* T_{max}$", RATIO: "loss / loss of zero"}
    axes.set_ylabel(names[metric], labelpad=2)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if len(values):
        axes.legend(loc="lower right" if metric == STEP else "upper right")


def _apart(lengths: Sequence[int]) -> list[int]:
    """Return those of the lengths whose names do not touch: at least a factor of 1.9 apart."""
    kept: list[int] = []
    for length in lengths:
        if not kept or length >= 1.9 * kept[-1]:
            kept.append(length)
    return kept


def _by_step(axes: Axes, values: pd.DataFrame, dims: dict[str, str]) -> None:
    groups = list(values.groupby(["task", "iterate"]))
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.88, max(1, len(groups))))
    for colour, ((task, length), each) in zip(colours, groups, strict=False):
        is_exact = each["method"] == "closed_form"
        exact = each.loc[is_exact, "value"]
        each = each.assign(value=each["value"] / (exact.min() if len(exact) else 1.0))
        _circles(axes, each[is_exact], "reference_iterate", colour)
        label = f"{dims.get(str(task), str(task))}, $T_{{max}} = {length}$"
        _points(axes, each[~is_exact], "reference_iterate", {"color": colour, "label": label})
    axes.set_xlabel("step size, % of $\\eta^*$", labelpad=1)
    axes.set_ylabel("loss / least loss", labelpad=2)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if len(values):
        axes.legend(loc="upper right", fontsize=6.5, handlelength=1.2, labelspacing=0.25)


def _by_heads(axes: Axes, values: pd.DataFrame) -> None:
    for law, colour in LAWS.items():
        found = values[values["method"] == law]
        if found.empty:
            continue
        _circles(axes, values[values["method"] == f"{law}_closed_form"], "iterate", colour)
        _points(axes, found, "iterate", {"color": colour, "label": law})
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlabel("heads $H$", labelpad=1)
    axes.set_ylabel("least loss", labelpad=2)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right")


def _strips(axes: Axes, values: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw a line of dots a method, one a seed, with its name above."""
    for place, name in enumerate(names):
        found = values.loc[values["method"] == name, "value"].dropna().to_numpy(dtype=float)
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(found, np.full(len(found), place), "o", color=colour, markersize=3, alpha=0.7)
        at = {"transform": axes.get_yaxis_transform(), "va": "bottom", "size": 6.5}
        axes.text(0.03, place - 0.15, name.replace("_", " "), color=colour, **at)
    axes.set_ylim(max(1, len(names)) - 0.5, -0.6)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")


def _scale_strips(axes: Axes, values: pd.Series) -> None:
    positive = values[values > 0]
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = (positive.min(), positive.max()) if len(positive) else (0.1, 10.0)
    axes.set_xlim(low / 2, high * 2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))

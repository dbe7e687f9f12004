"""Layers and solvers against solvers: tables of similarities, and how fast each converges."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from iclbench.plotting.drawing import add_key, draw_band, error_axis, key_of, shades
from iclbench.plotting.panels import PAGE, Layout, make_panels, note
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric, over_quantiles

COLUMNS = 3
SHADING, RANGE = "viridis", Normalize(0.4, 1)
PAIR = ["task", "method", "reference"]
METRICS = ("similarity", "weight_similarity")
MARKERS = ("o", "^", "s", "D", "v")
FEWEST = 3
"""Methods with fewer iterates are not drawn."""
RATIO = 40.0
"""Iterates that span a larger ratio than this are drawn on a logarithmic axis."""


@mpl.rc_context(STYLE)
def newton_table(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the similarity of each pair of methods that have iterates, as a heat map.

    Pairs of solvers, or where there are trained models, their layers and solvers; of errors, and of
    induced weights. Of the errors of a model whose readouts were trained again, these are drawn
    alone.

    Returns:
        The figure, and what it draws: ``value``, the mean over seeds, and ``best``, whether no
        iterate of the reference is more like this iterate of the method.
    """
    group = ["metric", "family", *PAIR]
    found = pd.concat([of_metric(rows, metric) for metric in METRICS])
    of_errors = found["metric"] == "similarity"
    others = _other_readouts(found.loc[of_errors, "method"])
    found = found[~(of_errors & found["method"].isin(others))]
    keys = [*group, "iterate", "reference_iterate"]
    table = found.groupby(keys)["value"].mean(skipna=False).reset_index()
    for column in ("iterate", "reference_iterate"):
        table = table[table.groupby(group)[column].transform("nunique") >= FEWEST]
    best = table.groupby([*group, "iterate"])["value"].transform("max")
    table = table.assign(best=table["value"] == best).reset_index(drop=True)
    pairs = [tuple(map(str, names)) for names, _ in table.groupby(group)]
    panels = [points for _, points in table.groupby(group)]

    layout = _layout(height=1.45)
    titles = [_words(task) for _, _, task, _, _ in pairs] or [""]
    is_trained = bool((table["family"] == "trained").any())
    title = "Layers against iterations" if is_trained else "Solvers against solvers"
    figure, axes = make_panels(titles, COLUMNS, layout, title, rows, table)
    for panel, points, names in zip(axes, panels, pairs, strict=False):
        _draw_pair(panel, points)
        _, family, _, method, reference = names
        panel.set_xlabel(f"{_words(reference)}, iteration", labelpad=1)
        y = "layer" if family == "trained" else f"{_words(method)}, iteration"
        panel.set_ylabel(y, labelpad=2)
    _shading_key(figure)
    return figure, table


def _other_readouts(methods: pd.Series) -> set[str]:
    """Return the names of models whose readouts were trained again, and of other readouts."""
    again = methods[methods.str.endswith("_retrained")].unique()
    models = [name.removesuffix("_retrained") for name in again]
    return {*models, *(f"{model}_least_squares" for model in models)}


@mpl.rc_context(STYLE)
def newton_rates(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw how many iterations an accuracy takes, which steps match, and the errors' decay.

    Returns:
        The figure, and what it draws: by ``metric`` (``iterations``, ``best_match``,
        ``normalised_error``) the median over seeds as ``value``, with quartiles.
    """
    counts = over_quantiles(of_metric(rows, "iterations"), ["method", "iterate"])
    found = of_metric(rows, "best_match")
    is_another = found["reference"] != found["method"]
    matches = over_quantiles(found[is_another], [*PAIR, "iterate"])
    for column in ("iterate", "value"):
        matches = matches[matches.groupby(PAIR)[column].transform("nunique") >= FEWEST]
    # One base for all: the method that most others are matched with.
    first = matches["method"].mode()
    matches = matches[matches["method"].isin(first[:1])]
    errors = over_quantiles(
        of_metric(rows, "normalised_error"), ["task", "method", "position", "iterate"]
    )
    errors = errors[errors.groupby(["task", "method"])["iterate"].transform("nunique") >= FEWEST]
    parts = {"iterations": counts, "best_match": matches, "normalised_error": errors}
    table = pd.concat(
        [part.assign(metric=metric) for metric, part in parts.items()], ignore_index=True
    )
    decays = list(errors[["task", "method"]].drop_duplicates().itertuples(index=False, name=None))
    titles = ["Accuracy against conditioning", "Which step matches"]
    titles += [f"{_words(method)}: decay" for _, method in decays]
    layout = _layout(height=1.4)
    figure, axes = make_panels(titles, COLUMNS, layout, "Rates of solvers", rows, table)
    seeds = rows.groupby("task")["seed"].nunique()
    counted = ", ".join(f"{_words(str(task))}: {count}" for task, count in seeds.items())
    note(figure, f"lines: medians, bands: quartiles over seeds ({counted})")
    _draw_counts(axes[0], counts)
    _draw_matches(axes[1], matches)
    positions = sorted(int(position) for position in errors["position"].unique())
    for panel, (task, method) in zip(axes[2:], decays, strict=True):
        own = errors[(errors["task"] == task) & (errors["method"] == method)]
        _draw_decay(panel, own, errors, positions)
    add_key(figure, key_of(axes[2:]), columns=8)
    return figure, table


def _layout(height: float) -> Layout:
    margin, left, right = 0.05, 0.5, 0.1
    return Layout(
        width=PAGE / COLUMNS - left - right - margin / COLUMNS,
        height=height,
        margin=margin,
        left=left,
        right=right,
        below=0.34,
        footer=0.75,
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _draw_pair(axes: Axes, table: pd.DataFrame) -> None:
    grid = table.pivot(index="iterate", columns="reference_iterate", values="value")
    axes.grid(visible=False)
    axes.set_facecolor("0.8")
    axes.pcolormesh(np.ma.masked_invalid(grid.to_numpy()), cmap=SHADING, norm=RANGE)
    best = table[table["best"]]
    axes.plot(
        grid.columns.get_indexer(pd.Index(best["reference_iterate"])) + 0.5,
        grid.index.get_indexer(pd.Index(best["iterate"])) + 0.5,
        "o",
        ms=2.2,
        color="white",
        mec="k",
        mew=0.4,
    )
    for axis, names in ((axes.xaxis, grid.columns), (axes.yaxis, grid.index)):
        places = range(0, len(names), -(-len(names) // 7))
        axis.set_ticks(np.array(places) + 0.5, [str(names[place]) for place in places])


def _shading_key(figure: Figure) -> None:
    wide, high = figure.get_size_inches()
    box = figure.add_axes(((wide - 2.4) / 2 / wide, 0.42 / high, 2.4 / wide, 0.08 / high))
    bar = figure.colorbar(
        ScalarMappable(RANGE, SHADING), cax=box, orientation="horizontal", extend="min"
    )
    bar.set_label("similarity; a dot: best match of a row", labelpad=1)


def _draw_counts(axes: Axes, counts: pd.DataFrame) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    finite = counts[np.isfinite(counts["high"])]
    axes.set_ylim(1, max(10.0, 3 * finite["value"].max()) if len(finite) else 10.0)
    for index, (method, points) in enumerate(finite.groupby("method")):
        look = {"color": COLOURS[index], "marker": MARKERS[index % len(MARKERS)], "markersize": 2.5}
        draw_band(axes, points["iterate"], points, label=_words(str(method)), **look)
    axes.set_xlabel("condition number of the inputs", labelpad=1)
    axes.set_ylabel("iterations")
    _name(axes)


def _draw_matches(axes: Axes, matches: pd.DataFrame) -> None:
    axes.set_yscale("log", base=2)
    for index, ((task, method, reference), points) in enumerate(matches.groupby(PAIR)):
        own = matches[(matches["method"] == method) & (matches["reference"] == reference)]
        name = _words(str(reference))
        if own["task"].nunique() > 1:
            name += f", {_words(str(task))}"
        axes.plot(
            points["iterate"],
            points["value"],
            linestyle="",
            marker=MARKERS[index % len(MARKERS)],
            markersize=2.6,
            markerfacecolor="none",
            markeredgecolor=COLOURS[index % len(COLOURS)],
            label=name,
        )
        axes.set_xlabel(f"{_words(str(method))}, iteration", labelpad=1)
    if len(matches):
        ends = np.array([matches["iterate"].min(), matches["iterate"].max()])
        top = matches.sort_values("value").iloc[-1]
        line = top["value"] * 2.0 ** ((ends - top["iterate"]) / 2)
        axes.plot(ends, line, color="black", linewidth=0.7, label=r"$\propto 2^{k/2}$")
    axes.set_ylabel("most similar iteration")
    _name(axes)


def _name(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", handlelength=1.5, borderaxespad=0.2, labelspacing=0.25)


def _draw_decay(
    axes: Axes, points: pd.DataFrame, everything: pd.DataFrame, positions: Sequence[int]
) -> None:
    error_axis(axes, everything)
    iterates = points["iterate"]
    if iterates.max() > RATIO * max(1, iterates.min()):
        axes.set_xscale("symlog" if iterates.min() == 0 else "log")
        axes.xaxis.set_minor_locator(LogLocator(10, subs="auto"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    for colour, position in zip(shades(len(positions)), positions, strict=True):
        own = points[points["position"] == position]
        draw_band(axes, own["iterate"], own, color=colour, label=f"t = {position}", linewidth=1.0)
    axes.set_xlabel("iteration", labelpad=1)
    axes.set_ylabel("error / power")

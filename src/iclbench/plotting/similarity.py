"""Layer against iteration: how alike the errors of transformers and solvers are."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from iclbench.plotting.panels import NAME_SIZE, Layout, make_panels, text_width
from iclbench.plotting.style import FAMILIES, STYLE
from iclbench.plotting.summaries import of_metric

SOLVERS = 4
"""How many solvers are drawn: those that the models match best."""

COLOURS, RANGE = "viridis", Normalize(0, 1)


@mpl.rc_context(STYLE)
def similarity(rows: pd.DataFrame, task: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the similarity of errors of each trained model's layers with each solver's iterations.

    A line of panels a model, a column a solver; a dot marks the iteration that each layer is most
    like. Of the solvers with iterates, the four are drawn whose best matches are best on average
    over layers and models. Where no model is trained, the constructed ones are drawn.

    Returns:
        The figure, and what it draws: ``value``, the mean over seeds, and ``best``.
    """
    pairs = of_metric(rows, "similarity", task)
    is_trained = pairs["family"] == "trained"
    pairs = pairs[is_trained if is_trained.any() else slice(None)]
    keys = ["task", "family", "method", "iterate", "reference", "reference_iterate"]
    table = pairs.groupby(keys)["value"].mean(skipna=False).reset_index()
    table = table[table.groupby("reference")["reference_iterate"].transform("nunique") > 1]
    layers = table.groupby(["method", "iterate", "reference"])["value"]
    best = layers.transform("max")
    table = table.assign(best=(table["value"] == best) & ~table.duplicated([*keys[:5], "value"]))
    ranking = layers.max().groupby("reference").mean().sort_values(ascending=False, kind="stable")
    solvers = list(ranking.index[:SOLVERS])
    table = table[table["reference"].isin(solvers)].reset_index(drop=True)

    rank = list(FAMILIES).index
    members = table[["family", "method"]].drop_duplicates().itertuples(index=False, name=None)
    methods = [name for _, name in sorted(members, key=lambda pair: (rank(pair[0]), pair[1]))]
    layout = Layout(
        width=1.3,
        height=0.5,
        margin=0.35 + max(map(text_width, methods), default=1.0),
        left=0.3,
        right=0.08,
        above=0.06,
        below=0.06,
        header=0.45,
        footer=0.95,
    )
    titles = [""] * max(1, len(methods) * len(solvers))
    title = f"{task}: similarity of errors"
    figure, axes = make_panels(titles, len(solvers), layout, title, rows, table)
    for index, panel in enumerate(axes if methods else []):
        line, column = divmod(index, len(solvers))
        chosen = (table["method"] == methods[line]) & (table["reference"] == solvers[column])
        _draw(panel, table[chosen])
        if line == 0:
            panel.set_title(solvers[column], pad=4)
        if column == 0:
            panel.set_ylabel("layer", labelpad=2.5)
            place = {"transform": panel.transAxes, "ha": "right", "va": "center"}
            panel.text(-0.3, 0.5, methods[line], size=NAME_SIZE, **place)
        if line == len(methods) - 1:
            panel.set_xlabel("iteration", labelpad=1)
        else:
            panel.tick_params(labelbottom=False)
    _key(figure)
    return figure, table


def _draw(axes: Axes, table: pd.DataFrame) -> None:
    grid = table.pivot(index="iterate", columns="reference_iterate", values="value")
    if grid.empty:
        axes.set_axis_off()
        return
    axes.grid(visible=False)
    axes.set_facecolor("0.8")
    axes.imshow(grid, origin="lower", aspect="auto", cmap=COLOURS, norm=RANGE)
    best = table[table["best"]]
    across = grid.columns.get_indexer(pd.Index(best["reference_iterate"]))
    axes.plot(
        across,
        grid.index.get_indexer(pd.Index(best["iterate"])),
        "o",
        ms=2.2,
        color="white",
        mec="k",
        mew=0.4,
    )
    for axis, names, most in ((axes.xaxis, grid.columns, 5), (axes.yaxis, grid.index, 4)):
        places = range(0, len(names), -(-len(names) // most))
        axis.set_ticks(places, [str(names[place]) for place in places])


def _key(figure: Figure) -> None:
    wide, high = figure.get_size_inches()
    box = figure.add_axes(((wide - 2.2) / 2 / wide, 0.33 / high, 2.2 / wide, 0.08 / high))
    bar = figure.colorbar(ScalarMappable(RANGE, COLOURS), cax=box, orientation="horizontal")
    bar.set_label("similarity of errors, SimE", labelpad=1)

"""Layer against iteration: how alike the errors of transformers and solvers are."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from iclbench.plotting.panels import NAME_SIZE, PAGE, Layout, make_panels, text_width
from iclbench.plotting.style import FAMILIES, STYLE
from iclbench.plotting.summaries import of_metric
from iclbench.records.selection import drawn_from

SOLVERS = 4
"""How many solvers are drawn: those that the models match best."""

COLOURS, RANGE = "viridis", Normalize(0, 1)


@drawn_from("similarity")
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
    solvers = rows.loc[rows["family"] == "solver", "method"].unique()
    pairs = pairs[(pairs["family"] != "solver") & pairs["reference"].isin(solvers)]
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
    margin = 0.22 + max(map(text_width, methods), default=1.0)
    left, right = 0.27, 0.11
    longest = max(map(text_width, solvers), default=0.0)
    layout = Layout(
        width=max(longest - 2 * right, (PAGE - margin) / SOLVERS - left - right),
        height=0.5,
        margin=margin,
        left=left,
        right=right,
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
            panel.set_title(solvers[column], pad=3, loc="center", size=NAME_SIZE, weight="normal")
        if column == 0:
            panel.set_ylabel("layer")
            panel.yaxis.set_label_coords(-0.23 / layout.width, 0.5)  # past two digits
            place = {"transform": panel.transAxes, "ha": "right", "va": "center"}
            panel.text(-0.38 / layout.width, 0.5, methods[line], size=NAME_SIZE, **place)
        if line == len(methods) - 1:
            panel.set_xlabel("iteration", labelpad=1)
        else:
            panel.tick_params(labelbottom=False)
    _key(figure)
    return figure, table


def _draw(axes: Axes, table: pd.DataFrame) -> None:
    import seaborn

    grid = table.pivot(index="iterate", columns="reference_iterate", values="value")
    if grid.empty:
        axes.set_axis_off()
        return
    axes.grid(visible=False)
    axes.set_facecolor("0.8")
    seaborn.heatmap(
        grid.to_numpy(),
        ax=axes,
        cmap=COLOURS,
        vmin=RANGE.vmin,
        vmax=RANGE.vmax,
        cbar=False,
        xticklabels=False,
        yticklabels=False,
    )
    axes.invert_yaxis()
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
    for axis, names, most in ((axes.xaxis, grid.columns, 5), (axes.yaxis, grid.index, 4)):
        places = range(0, len(names), -(-len(names) // most))
        axis.set_ticks(np.array(places) + 0.5, [str(names[place]) for place in places])


def _key(figure: Figure) -> None:
    wide, high = figure.get_size_inches()
    box = figure.add_axes(((wide - 2.2) / 2 / wide, 0.33 / high, 2.2 / wide, 0.08 / high))
    bar = figure.colorbar(ScalarMappable(RANGE, COLOURS), cax=box, orientation="horizontal")
    bar.set_label("similarity of errors, SimE", labelpad=1)

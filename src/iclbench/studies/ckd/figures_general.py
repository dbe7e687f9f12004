"""Which kernels learn which f: the depth limit against context."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from iclbench.plotting.drawing import (
    add_key,
    count_axis,
    draw_band,
    error_axis,
    key_of,
    label_outer,
    panels_of,
)
from iclbench.plotting.style import STYLE
from iclbench.plotting.summaries import over_quantiles
from iclbench.studies.ckd.drawing import DASHES, colour_of, described, title_of

COLUMNS = 3


@mpl.rc_context(STYLE)
def ckd_general(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the error of the depth limit against the pairs seen, by attention, a panel an f.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` over seeds.
    """
    errors = described(rows, "error")
    errors = errors[errors["step"].isna() & (errors["position"].fillna(0) > 0)]
    table = over_quantiles(errors, ["task", "attention", "position"])
    tasks = sorted(table["task"].unique())
    attentions = sorted(table["attention"].unique())
    titles = [str(task).replace("_", " ") for task in tasks]
    figure, axes = panels_of(titles, "The limit of depth for general dynamics", rows, table)
    for panel, task in zip(axes, tasks, strict=False):
        error_axis(panel, table)
        for index, attention in enumerate(attentions):
            points = table[(table["task"] == task) & (table["attention"] == attention)]
            draw_band(
                panel,
                points["position"].astype(float),
                points,
                label=title_of(attention),
                color=colour_of(attention, attentions),
                linestyle=DASHES[index % len(DASHES)],
                linewidth=1.1,
            )
        count_axis(panel, table.loc[table["task"] == task, "position"], 10)
    label_outer(axes, COLUMNS, "pairs seen, $t$", "error $|u_t - x_{t+1}|$")
    add_key(figure, key_of(axes))
    return figure, table

"""Errors of the depth limit on periodic sequences, period by period."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
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
def ckd_periods(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the largest error in a period against the period, by attention, a panel a tau and d.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` over seeds.
    """
    errors = described(rows, "error")
    errors = errors[errors["tau"].notna()]
    table = over_quantiles(errors, ["dim", "tau", "attention", "iterate"])
    panels = list(table[["dim", "tau"]].drop_duplicates().itertuples(index=False, name=None))
    attentions = sorted(table["attention"].unique())
    titles = [f"τ = {tau:.0f} points, d = {dim:.0f}" for dim, tau in panels]
    figure, axes = panels_of(titles, "Periodic sequences: the limit of depth", rows, table)
    for panel, (dim, tau) in zip(axes, panels, strict=False):
        here = table[(table["dim"] == dim) & (table["tau"] == tau)]
        error_axis(panel, table)
        for index, attention in enumerate(attentions):
            points = here[here["attention"] == attention]
            draw_band(
                panel,
                points["iterate"],
                points,
                label=title_of(attention),
                color=colour_of(attention, attentions),
                linestyle=DASHES[index % len(DASHES)],
                linewidth=1.1,
            )
        count_axis(panel, here["iterate"], 10)
        last = max(2.0, float(here["iterate"].max()))
        periods = np.array([1.0, last])
        panel.plot(periods, 1 / periods, color="0.5", linewidth=0.8, label="1 / period", zorder=1)
    label_outer(axes, COLUMNS, "period", "largest error in the period")
    add_key(figure, key_of(axes))
    return figure, table

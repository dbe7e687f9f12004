"""Trained transformers of the construction's shape, the construction, and its limit."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from iclbench.plotting.drawing import add_key, draw_band, key_of, label_outer, panels_of
from iclbench.plotting.panels import log_axis
from iclbench.plotting.style import COLOURS, STYLE
from iclbench.plotting.summaries import of_metric, over_seeds
from iclbench.studies.ckd.drawing import LIMIT

ATTENTIONS = {
    "linear": "kaczmarz",
    "exponential": "kaczmarz_exponential",
    "softmax": "descent_softmax_limit",
}
"""The kinds of attention, and the solver that is the limit of infinite depth of each."""

LOOKS = {
    "trained_{}_random": ("trained, random start", {"color": COLOURS[1], "marker": "s"}),
    "trained_{}_constructed": ("trained from the construction", {"color": COLOURS[0]}),
    "built_{}": ("construction", {"color": COLOURS[2], "linestyle": (0, (5, 1.5))}),
    "{}": ("limit of infinite depth", LIMIT),
}
COLUMNS = 3


@mpl.rc_context(STYLE)
def ckd_trained(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the normalised error against the pairs seen, tasks down, kinds of attention across.

    Each method is drawn at its last iterate; ``ols``, least squares of the pairs seen, in all.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by method and position (see
        ``over_seeds``).
    """
    names = [name.format(kind) for kind in ATTENTIONS for name in list(LOOKS)[:-1]]
    errors = of_metric(rows, "normalised_error")
    errors = errors[errors["method"].isin([*names, *ATTENTIONS.values(), "ols"])]
    errors = errors[errors["position"].notna()]
    last = errors.groupby(["task", "method"])["iterate"].transform("max")
    errors = errors[errors["iterate"] == last]
    table = over_seeds(errors, ["task", "method", "family", "iterate", "position"])
    tasks = sorted(table["task"].unique())
    titles = [f"{task}: {kind}" for task in tasks for kind in ATTENTIONS]
    figure, axes = panels_of(
        titles,
        "Trained transformers, the construction, and its limit",
        rows[rows["family"] == "trained"],
        table,
        footer=0.85,
        remark="trained: geometric means and 95 % intervals",
    )
    panels = iter(axes)
    for task in tasks:
        for kind, limit in ATTENTIONS.items():
            panel, here = next(panels), table[table["task"] == task]
            log_axis([panel], here["value"], low=1e-3, high=1e1)
            for name, (label, look) in LOOKS.items():
                method = limit if name == "{}" else name.format(kind)
                points = here[here["method"] == method]
                style = {"linewidth": 1.1, "markersize": 2.5, "markevery": 7, **look}
                draw_band(panel, points["position"].astype(float), points, label=label, **style)
            points = here[here["method"] == "ols"]
            grey = {"color": "0.5", "linewidth": 0.9}
            draw_band(
                panel, points["position"].astype(float), points, label="least squares", **grey
            )
            panel.set_xlim(0, max(1.0, float(here["position"].max())))
    label_outer(axes, COLUMNS, "pairs seen, $t$", "normalised error")
    add_key(figure, key_of(axes), columns=5)
    return figure, table

"""How trained matrices approach multiples of the identity."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from iclbench.plotting.drawing import add_key, label_outer, panels_of
from iclbench.plotting.style import STYLE
from iclbench.plotting.summaries import of_metric, over_seeds
from iclbench.studies.functional_gd.figures import ATTENTIONS, draw_intervals, ordered_key

PANELS = {
    ("product_distance", False): "$B^\\top C$, with $A = 0$",
    ("product_distance", True): "$B^\\top C$, with $A$ trained",
    ("value_distance", True): "$A$",
}
COLUMNS = 3


@mpl.rc_context(STYLE)
def functional_gd_stationary(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw how far trained matrices are from multiples of the identity against training steps.

    A panel a matrix and form of the value matrix, a curve a kind of attention: the mean of all
    layers, over seeds.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` by metric, method and step
        (see ``over_seeds``).
    """
    metrics = list(dict.fromkeys(metric for metric, _ in PANELS))
    found = pd.concat([of_metric(rows, metric) for metric in metrics])
    by = ["metric", "method", "family", "task", "iterate", "position", "seed"]
    layers = found.groupby(by, as_index=False)[["value", "stderr"]].mean(skipna=False)
    table = over_seeds(layers, ["metric", "method", "family", "iterate"])
    table = table.assign(
        is_full=table["method"].str.endswith("_full"),
        attention=table["method"].str.removesuffix("_full"),
    )
    present = set(zip(table["metric"], table["is_full"], strict=True))
    panels = [key for key in PANELS if key in present]
    figure, axes = panels_of(
        [PANELS[key] for key in panels],
        "Distance of trained matrices to multiples of the identity",
        rows[rows["metric"].isin(metrics)],
        table,
        height=1.8,
        footer=0.7,
        remark="geometric means and 95 % intervals",
    )
    for panel, (metric, is_full) in zip(axes, panels, strict=False):
        here = table[(table["metric"] == metric) & (table["is_full"] == is_full)]
        for name, (label, look) in ATTENTIONS.items():
            draw_intervals(panel, here[here["attention"] == name], "iterate", label, look)
        panel.set_ylim(0, 1.05)
        panel.set_xlim(left=0)
    label_outer(axes, COLUMNS, "training steps", "distance to $cI$")
    add_key(figure, ordered_key(axes), columns=5)
    return figure, table

"""The order of the limits of depth and context."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from iclbench.plotting.drawing import label_outer, panels_of
from iclbench.plotting.style import STYLE
from iclbench.plotting.summaries import over_quantiles
from iclbench.studies.ckd.drawing import described, title_of

COLUMNS = 3
RANGE = TwoSlopeNorm(0, -4, 2)  # of log10: white is an error of 1, the norm of what is predicted
COLOURS = mpl.colormaps["RdBu_r"]
NUMBER = 6.5
LINE = 0.16


@mpl.rc_context(STYLE)
def ckd_limits(rows: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw the median error in every cell of pairs seen × depth, a panel a step.

    The top line is the limit of infinite depth.

    Returns:
        The figure, and what it draws: ``value``, ``low`` and ``high`` over seeds.
    """
    errors = described(rows, "error")
    errors = errors[errors["position"].fillna(0) > 0]
    by = ["task", "attention", "step", "iterate", "position"]
    table = over_quantiles(errors, by)
    panels = list(
        table.loc[table["step"].notna(), by[:3]]
        .drop_duplicates()
        .itertuples(index=False, name=None)
    )
    panels.sort(key=lambda panel: (panel[0], panel[1], -panel[2]))
    titles = [
        f"{task.replace('_', ' ')}: {title_of(attention)}, step {step:g}/κ"
        for task, attention, step in panels
    ]
    lines = 1 + table.loc[table["step"].notna(), "iterate"].nunique()
    title = "Depth must grow before context: median error"
    figure, axes = panels_of(
        titles, title, rows, table, height=LINE * lines, footer=0.35, remark="medians"
    )
    for panel, (task, attention, step) in zip(axes, panels, strict=False):
        here = table[(table["task"] == task) & (table["attention"] == attention)]
        _draw(panel, here[(here["step"] == step) | here["step"].isna()])
    label_outer(axes, COLUMNS, "pairs seen, $t$", "depth, $n$")
    return figure, table


def _draw(axes: Axes, here: pd.DataFrame) -> None:
    depth = here["iterate"].astype(float).where(here["step"].notna(), np.inf)
    grid = here.assign(depth=depth).pivot(index="depth", columns="position", values="value")
    values = grid.to_numpy(dtype=float)
    exponents = np.log10(np.clip(values, 1e-300, 1e300))
    axes.pcolormesh(exponents, cmap=COLOURS, norm=RANGE, edgecolors="white", linewidth=0.6)
    for (line, column), exponent in np.ndenumerate(exponents):
        dark = RANGE(exponent) < 0.15 or RANGE(exponent) > 0.85
        axes.text(
            column + 0.5,
            line + 0.5,
            short(float(values[line, column])),
            size=NUMBER,
            color="white" if dark else "black",
            ha="center",
            va="center_baseline",
        )
    axes.axhline(len(grid) - 1, color="black", linewidth=0.8)
    names = ["∞" if np.isinf(n) else f"{n:.0f}" for n in grid.index]
    axes.set_yticks(np.arange(len(grid)) + 0.5, names)
    axes.set_xticks(np.arange(grid.shape[1]) + 0.5, [f"{seen:.0f}" for seen in grid.columns])
    axes.tick_params(length=0)
    axes.grid(visible=False)


def short(value: float) -> str:
    """Return a positive number in at most four characters; more where it exceeds 1e99.

    Examples:
        >>> [short(value) for value in (0.0, 5e-4, 0.0123, 0.47, 0.996, 2.34, 57.2, 3e22, np.inf)]
        ['0', '5e-4', '.012', '.47', '1.0', '2.3', '57', '3e22', '×']
    """
    if not np.isfinite(value):
        return "×"
    if value == 0:
        return "0"
    if value < 0.00995 or value >= 99.5:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if value >= 9.95:
        return f"{value:.0f}"
    digits = 1 if value >= 0.995 else 2 if value >= 0.0995 else 3
    text = f"{value:.{digits}f}"
    return text.removeprefix("0")

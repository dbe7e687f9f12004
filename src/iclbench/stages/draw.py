"""Draw a figure from rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iclbench.plotting.saving import save
from iclbench.records.selection import rows_to_draw
from iclbench.registry import find
from iclbench.stages.job import read_job


def draw_figure(plan: Path, figure: Path, rows: Sequence[Path]) -> None:
    """Draw a figure.

    Args:
        plan: The job's plan: what kind of figure, and of which task.
        figure: The PDF to write; the PNG and the table that is drawn appear beside it.
        rows: The Parquet files that hold its rows.
    """
    settings = read_job(plan).settings
    draw = find("figures", settings["kind"])
    task = () if settings["task"] is None else (settings["task"],)
    drawn, table = draw(rows_to_draw(draw, rows, *task), *task)
    save(drawn, table, figure.with_suffix(""))

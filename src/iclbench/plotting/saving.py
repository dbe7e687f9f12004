"""A figure's files: PDF, PNG, and the table that it draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser

from iclbench.files import written_aside
from iclbench.plotting.style import STYLE
from iclbench.plotting.ticks import join_minor_ticks

FORMATS: dict[str, dict[str, Any]] = {
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
    "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
}

# Builds the parser of formulas, once for all processes that are forked from one that has this.
MathTextParser("path").parse("$t$")


def save(figure: Figure, table: pd.DataFrame, stem: str | Path) -> None:
    """Write STEM.pdf, STEM.png and STEM.parquet, each whole or not at all.

    Equal figures give equal bytes: no date or version is written into them.

    Args:
        figure: What is drawn.
        table: The numbers that it draws.
        stem: The path without a suffix.
    """
    with mpl.rc_context(STYLE):
        for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
            join_minor_ticks(axis)
            if not axis.get_label_text():
                axis.set_label_coords(0, 0)  # else past all ticks, measured at every drawing
        for suffix, options in FORMATS.items():
            with written_aside(Path(f"{stem}.{suffix}")) as aside:
                figure.savefig(aside, format=suffix, **options)
    with written_aside(Path(f"{stem}.parquet")) as aside:
        drawn = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
        pq.write_table(drawn, aside, compression="zstd")


def write_picture(figure: Figure, path: Path) -> None:
    """Write a figure alone, as PDF or PNG by the name's ending."""
    suffix = path.suffix[1:]
    with mpl.rc_context(STYLE), written_aside(path) as aside:
        figure.savefig(aside, format=suffix, **FORMATS[suffix])

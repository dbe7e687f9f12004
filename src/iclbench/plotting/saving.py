"""A figure's files: PDF, PNG, and the table that it draws."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from iclbench.files import written_aside
from iclbench.plotting.style import STYLE

UNDATED = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def save(figure: Figure, table: pd.DataFrame, stem: str | Path) -> None:
    """Write STEM.pdf, STEM.png and STEM.parquet, each whole or not at all.

    Equal figures give equal bytes: no date or version is written into them.

    Args:
        figure: What is drawn.
        table: The numbers that it draws.
        stem: The path without a suffix.
    """
    for suffix, metadata in UNDATED.items():
        with written_aside(Path(f"{stem}.{suffix}")) as aside, mpl.rc_context(STYLE):
            figure.savefig(aside, format=suffix, metadata=metadata)
    with written_aside(Path(f"{stem}.parquet")) as aside:
        drawn = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
        pq.write_table(drawn, aside, compression="zstd")

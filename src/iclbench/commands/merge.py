"""The rows of several machines as one folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from iclbench.records import files
from iclbench.records.schema import KEY, SCHEMA, RecordError

METRICS = "metrics"


def merge_results(sources: Sequence[Path], output: Path) -> None:
    """Merge the tables of rows of several results folders into a new one.

    A table that one folder has is taken over; of a table that several have, every row is kept once,
    and its parts must come from the same settings and code, as the digests in the rows say. All
    tables must be of one scale.

    Args:
        sources: Folders of results, two or more.
        output: The folder to write ``metrics/`` to; it has none yet.

    Raises:
        RecordError: If a table is damaged or of another schema, or two rows measure the same thing
            and differ; nothing is written then.
    """
    if len(sources) < 2:
        raise RecordError("give two folders of results or more")
    target = output / METRICS
    if target.exists():
        raise RecordError(f"{target}: exists already; give a new folder, or remove it")
    tables: dict[Path, list[Path]] = {}
    for source in sources:
        folder = source / METRICS
        if not folder.is_dir():
            raise RecordError(f"{folder}: no such folder; give folders of results")
        for path in sorted(folder.rglob("*.parquet")):
            tables.setdefault(path.relative_to(folder), []).append(path)
    # All is checked before anything is written.
    scales: dict[str, Path] = {}
    for some in tables.values():
        for scale in _union(some)["scale"].unique().to_pylist():
            scales.setdefault(scale, some[0])
    if len(scales) > 1:
        found = ", ".join(f"{path}: {scale}" for scale, path in scales.items())
        raise RecordError(f"{found}; rows of different scales are of different runs")
    rows = 0
    for name, some in sorted(tables.items()):
        table = _union(some)
        rows += len(table)
        made_by = [files.provenance(path) for path in some]
        provenance = made_by[0] if len(some) == 1 else {"merged": made_by}
        files.write(table, target / name, provenance)
    both = sum(len(some) > 1 for some in tables.values())
    sys.stdout.write(f"{target}: {len(tables)} tables, {both} of them from several, {rows} rows\n")


def _union(paths: Sequence[Path]) -> pa.Table:
    """Return the rows of one table, each once.

    Raises:
        RecordError: If two that measure the same thing differ.
    """
    read = [(path, files.read_table(path)) for path in paths]
    full = [(path, table) for path, table in read if len(table)] or read[:1]
    paths, parts = [path for path, _ in full], [table for _, table in full]
    if len(parts) == 1:
        return parts[0]
    for (first, one), (second, other) in pairwise(zip(paths, parts, strict=True)):
        _check_agree(first, one, second, other)
    merged = pa.concat_tables(parts)
    distinct = merged.group_by(SCHEMA.names, use_threads=False).aggregate([])
    _check_keys(paths, distinct)
    return distinct.select(SCHEMA.names).cast(SCHEMA)


def _check_agree(first: Path, one: pa.Table, second: Path, other: pa.Table) -> None:
    """Check that two tables were made from the same settings by the same code, at one scale."""
    for column, what in (("scale", "scales"), ("config", "settings"), ("code", "code")):
        here, there = (set(table[column].unique().to_pylist()) for table in (one, other))
        if here != there:
            raise RecordError(
                f"{first} and {second}: {column}: {', '.join(sorted(here))} and "
                f"{', '.join(sorted(there))}; rows of different {what} contradict each other; run "
                "both machines from the same commit and settings"
            )


def _check_keys(paths: Sequence[Path], rows: pa.Table) -> None:
    counted = rows.group_by(KEY, use_threads=False).aggregate([([], "count_all")])
    twice = counted.filter(pc.field("count_all") > 1)
    if len(twice):
        row = {name: twice[name][0].as_py() for name in KEY}
        named = ", ".join(f"{name} {value}" for name, value in row.items() if value is not None)
        raise RecordError(
            f"{' and '.join(map(str, paths))}: {len(twice)} rows contradict each other, the first "
            f"being of {named}; both measure the same thing and differ; find out which machine is "
            "right, and remove the other's table"
        )

"""Rows to Parquet and back; a directory of such files reads as one table in any Parquet reader."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from iclbench.files import UnreadableError, check_readable, written_aside
from iclbench.lazy import pd
from iclbench.records.schema import KEY, SCHEMA, RecordError, check

if TYPE_CHECKING:
    import pyarrow.dataset as ds

FOOTER = b"iclbench"
DIGEST = b"iclbench.sha256"
UNSET = b"the SHA-256 of this footer with these words standing in its place"[:64]
"""What stands in a footer where its own digest will; as long as that."""
COLUMNS = ", ".join(SCHEMA.names)


def write(rows: pd.DataFrame | pa.Table, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Write rows, sorted by what they measure, whole or not at all, equal rows to equal bytes.

    In a DataFrame NaN means null, as it does everywhere in pandas.

    Every page of the file has a checksum, and the footer a digest, so that reading a part of it
    checks that part and no more.

    Args:
        rows: Exactly the columns of the schema, in any order.
        path: The Parquet file.
        provenance: What made the rows, as plain data (see ``collect_provenance``); it goes into the
            footer, under the key ``iclbench``.

    Raises:
        RecordError: If the rows do not follow the schema, two rows measure the same thing, or the
            provenance is not plain data.
    """
    table = _typed(rows, path).combine_chunks()
    check(table, path)
    table = table.sort_by([(name, "ascending") for name in KEY])
    _check_unique(table, path)
    try:
        footer = json.dumps(provenance, sort_keys=True, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise RecordError(
            f"{path}: provenance: {error}; expected plain data: dicts with text keys, lists, text, "
            "finite numbers; write settings with model_dump(mode='json')"
        ) from error
    with in_parts(Path(path), footer) as file:
        file.write_table(table, row_group_size=2**20)


@contextmanager
def in_parts(path: Path, footer: str) -> Iterator[pq.ParquetWriter]:
    """Hand out a writer of rows that are checked already, for a file that is whole or not there.

    Args:
        path: The Parquet file.
        footer: What made the rows, as JSON.
    """
    schema = SCHEMA.with_metadata({FOOTER: footer.encode(), DIGEST: UNSET})
    with written_aside(path) as hidden:
        with pq.ParquetWriter(hidden, schema, compression="zstd", write_page_checksum=True) as file:
            yield file
        _seal(hidden)


def read(
    source: str | Path | Iterable[str | Path],
    *,
    columns: Sequence[str] | None = None,
    filters: pc.Expression | Sequence[tuple[str, str, Any]] | None = None,
) -> pd.DataFrame:
    """Read the rows of a file, of several, or of all ``*.parquet`` files under a directory.

    Nulls are NA in integer columns, and NaN in the others.

    Args:
        source: A file, a directory, or several files.
        columns: Which columns to read; by default all.
        filters: Which rows to read, as in ``pyarrow.parquet.read_table``; for example
            ``[("task", "==", "haar"), ("metric", "==", "similarity")]``.

    Raises:
        RecordError: If there is nothing to read, or a file is missing, damaged or of another
            schema.
    """
    paths = paths_of(source)
    unknown = ", ".join(sorted(set(columns or ()) - set(SCHEMA.names)))
    if unknown:
        raise RecordError(f"{source}: {unknown}: no such column; expected some of: {COLUMNS}")
    condition = pc.scalar(True) if filters is None else pq.filters_to_expression(filters)
    try:
        SCHEMA.empty_table().filter(condition)
    except pa.ArrowException as error:
        raise RecordError(
            f"{source}: filters: {error}; expected conditions on: {COLUMNS}"
        ) from error
    tables = [_read(path, columns=columns, filters=condition) for path in paths]
    return as_frame(pa.concat_tables(tables))


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return all rows of a file, or some of their columns, as Arrow has them.

    Raises:
        RecordError: If the file is missing, damaged or of another schema.
    """
    return _read(path, columns, pc.scalar(True))


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return rows as pandas has them: nulls are NA in integer columns, and NaN in the others."""
    return table.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)


def provenance(path: str | Path) -> dict[str, Any]:
    """Return what made the rows of a file.

    Raises:
        RecordError: If the file is missing or damaged, or was not written by ``write``.
    """
    return json.loads(_schema(Path(path)).metadata[FOOTER])


def _seal(path: Path) -> None:
    """Write the digest of a file's footer into it."""
    with path.open("r+b") as file:
        footer = _footer(file)
        place = footer.index(UNSET)
        file.seek(place - len(footer), os.SEEK_END)
        file.write(hashlib.sha256(footer).hexdigest().encode())


def _is_sealed(path: Path, metadata: Mapping[bytes, bytes]) -> bool:
    """Return whether the footer of a file is as it was written."""
    with path.open("rb") as file:
        footer = _footer(file)
    said = metadata.get(DIGEST, b"")
    return said == hashlib.sha256(footer.replace(said, UNSET, 1)).hexdigest().encode()


def _footer(file: IO[bytes]) -> bytes:
    """Return the end of a Parquet file: its footer, the length of this in four bytes, and PAR1."""
    file.seek(-8, os.SEEK_END)
    length = int.from_bytes(file.read(4), "little") + 8
    file.seek(-length, os.SEEK_END)
    return file.read()


def _typed(rows: pd.DataFrame | pa.Table, path: str | Path) -> pa.Table:
    names = rows.column_names if isinstance(rows, pa.Table) else list(rows.columns)
    if sorted(names) != sorted(SCHEMA.names):
        missing = ", ".join(name for name in SCHEMA.names if name not in names)
        extra = ", ".join(str(name) for name in names if name not in SCHEMA.names)
        raise RecordError(
            f"{path}: missing columns: {missing or 'none'}; unknown or repeated columns: "
            f"{extra or 'none'}; expected each of: {COLUMNS}"
        )
    return pa.table([_column(rows[field.name], field, path) for field in SCHEMA], schema=SCHEMA)


def _column(
    column: pd.Series | pa.ChunkedArray, field: pa.Field, path: str | Path
) -> pa.Array | pa.ChunkedArray:
    try:
        found = pa.Array.from_pandas(column) if isinstance(column, pd.Series) else column
        return found.cast(field.type)
    except (pa.ArrowException, TypeError) as error:
        raise RecordError(
            f"{path}: {field.name}: {error}; expected {field.type} in every row; convert the "
            "column before writing"
        ) from error


def _check_unique(table: pa.Table, path: str | Path) -> None:
    """Check a table that is sorted: rows that measure the same thing are neighbours."""
    columns = (table[name].combine_chunks().dictionary_encode("encode") for name in KEY)
    codes = np.stack([column.indices.to_numpy() for column in columns])
    same = (codes[:, 1:] == codes[:, :-1]).all(0)
    if same.any():
        row = table.select(KEY).slice(int(same.argmax()), 1).to_pylist()[0]
        raise RecordError(
            f"{path}: {', '.join(KEY)}: two rows measure the same thing, {row}; expected one; "
            "average them, or tell them apart by metric or method"
        )


def paths_of(source: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the files that ``read`` reads.

    Raises:
        RecordError: If there is none.
    """
    if not isinstance(source, str | Path):
        paths = [Path(path) for path in source]
    elif Path(source).is_dir():
        paths = sorted(Path(source).rglob("*.parquet"))
    else:
        paths = [Path(source)]
    if not paths:
        raise RecordError(
            f"{source}: no Parquet files; expected tables of rows; run the stages that measure"
        )
    return paths


def _read(path: Path, columns: Sequence[str] | None, filters: pc.Expression) -> pa.Table:
    """Return rows part after part, so that memory is that of what is returned."""
    try:
        return _scanner(path, None if columns is None else list(columns), filters).to_table()
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def _scanner(path: Path, columns: list[str] | None, filters: pc.Expression | None) -> ds.Scanner:
    return scanned([path]).scanner(
        columns=columns, filter=filters, batch_readahead=1, fragment_readahead=1, use_threads=False
    )


def read_through(paths: Iterable[Path]) -> None:
    """Read all rows of tables, part after part, and keep none.

    Raises:
        RecordError: If one cannot be read; it says which.
    """
    for path in paths:
        try:
            for _ in _scanner(path, None, None).to_batches():
                pass
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error


def scanned(paths: Sequence[Path]) -> ds.Dataset:
    """Return tables of rows as one that is not in memory.

    Raises:
        RecordError: If a file is missing, damaged or of another schema.
    """
    import pyarrow.dataset as ds  # which loads pandas

    for path in paths:
        _schema(path)
    options = ds.ParquetFragmentScanOptions(pre_buffer=False, page_checksum_verification=True)
    parquet = ds.ParquetFileFormat(default_fragment_scan_options=options)
    return ds.dataset([str(path) for path in paths], SCHEMA, parquet)


def _schema(path: Path) -> pa.Schema:
    """Return the schema of a file whose footer is as it was written."""
    try:
        check_readable(path)
        footer = pq.read_metadata(path)
        schema, metadata = footer.schema.to_arrow_schema(), footer.metadata or {}
        wrong = [field.name for field in SCHEMA if field not in list(schema)]
        is_sealed = _is_sealed(path, metadata)
    except FileNotFoundError as error:
        raise RecordError(
            f"{path}: no such file; expected a table of rows; run the stage that writes it"
        ) from error
    except UnreadableError as error:
        raise RecordError(str(error)) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    if not schema.equals(SCHEMA) or not {FOOTER, DIGEST} <= metadata.keys():
        raise RecordError(
            f"{path}: {', '.join(wrong) or 'its columns or footer'}: not as in the schema of rows; "
            "the file was written by another version or program; delete it and run again"
        )
    if not is_sealed:
        raise _damaged(path, "its footer is not as it was written")
    return schema


def _damaged(path: Path, why: Exception | str) -> RecordError:
    return RecordError(
        f"{path}: damaged ({why}); expected a Parquet table; delete it and run again"
    )

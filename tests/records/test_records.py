from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iclbench.records import (
    LEFT_OUT,
    SCHEMA,
    RecordError,
    collect_provenance,
    left_out,
    make_rows,
    provenance,
    read,
    write,
)

LABELS = {
    "study": "leaderboard",
    "task": "haar",
    "method": "newton",
    "family": "solver",
    "seed": 0,
    "scale": "smoke",
    "config": "c0ffee",
    "code": "deadbeef",
}
PROVENANCE = collect_provenance({"steps": 3}, code="deadbeef", device="cpu", threads=1)


def errors_of(method="newton", task="haar", seed=0):
    rng = np.random.default_rng(seed)
    labels = LABELS | {"method": method, "task": task, "seed": seed}
    value = rng.exponential(size=(3, 5))
    value[2, 4] = np.inf
    pairs = {"metric": "squared_error", "iterate": np.arange(3)[:, None], "n": 8}
    by_position = make_rows(labels, position=np.arange(5), value=value, stderr=value / 9, **pairs)
    averaged = make_rows(labels, value=value[:, :4].mean(1, keepdims=True), **pairs)
    alike = make_rows(
        labels,
        metric="similarity",
        iterate=np.arange(3)[:, None],
        value=rng.uniform(size=(3, 2)),
        n=8,
        reference="gd",
        reference_iterate=np.array([1, 10]),
    )
    return pd.concat([by_position, averaged, alike], ignore_index=True)


def same(first, second):
    pd.testing.assert_frame_equal(
        first.sort_values(list(first.columns), ignore_index=True),
        second.sort_values(list(first.columns), ignore_index=True),
        check_dtype=False,
    )


def test_rows_survive_writing_and_reading(tmp_path):
    rows = errors_of()
    write(rows, tmp_path / "a.parquet", PROVENANCE)
    back = read(tmp_path / "a.parquet")
    same(rows, back)
    assert list(back.columns) == SCHEMA.names
    write(back, tmp_path / "b.parquet", PROVENANCE)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(24)), columns=st.permutations(SCHEMA.names), arrow=st.booleans())
def test_equal_rows_in_any_order_give_equal_bytes(tmp_path_factory, order, columns, arrow):
    folder = tmp_path_factory.mktemp("bytes")
    rows = errors_of()
    shuffled = rows.iloc[order][columns]
    if arrow:
        shuffled = pa.Table.from_pandas(shuffled, preserve_index=False)
    write(rows, folder / "a.parquet", PROVENANCE)
    write(shuffled, folder / "b.parquet", PROVENANCE)
    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()


def test_bytes_do_not_depend_on_the_process(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from test_records import errors_of, PROVENANCE, write;"
        "write(errors_of(), sys.argv[2], PROVENANCE)"
    )
    made = []
    for salt in "12":
        path = tmp_path / f"{salt}.parquet"
        subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent), str(path)],
            env=os.environ | {"PYTHONHASHSEED": salt},
            check=True,
        )
        made.append(path.read_bytes())
    assert made[0] == made[1]


def test_every_reader_sees_a_directory_as_one_table(tmp_path):
    parts = [
        errors_of("newton", "haar"),
        errors_of("gd", "haar"),
        errors_of("gpt2", "linear", seed=3),
        left_out(LABELS | {"method": "lasso"}, "needs scalar outputs"),
    ]
    for number, part in enumerate(parts):
        write(part, tmp_path / f"task={number % 2}" / f"{number}.parquet", PROVENANCE)
    rows = pd.concat(parts)
    pattern = f"{tmp_path}/**/*.parquet"

    same(rows, read(tmp_path))
    same(rows, read(path for path in tmp_path.rglob("*.parquet")))
    same(rows, pd.read_parquet(tmp_path, partitioning=None))
    same(rows, pq.read_table(tmp_path, partitioning=None).to_pandas())
    same(rows, pl.read_parquet(pattern, hive_partitioning=False).to_arrow().to_pandas())
    query = f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = false)"
    same(rows, duckdb.sql(query).to_arrow_table().to_pandas())

    mean = rows[rows.metric == "squared_error"].groupby("method").value.mean()
    query = f"SELECT method, avg(value) FROM '{pattern}' WHERE metric = 'squared_error' GROUP BY 1"
    assert dict(duckdb.sql(query).fetchall()) == pytest.approx(mean.to_dict())


def test_columns_and_filters_read_a_part(tmp_path):
    rows = errors_of()
    write(rows, tmp_path / "a.parquet", PROVENANCE)
    part = read(tmp_path, columns=["value", "iterate"], filters=[("metric", "==", "similarity")])
    assert list(part.columns) == ["value", "iterate"]
    same(part, rows[rows.metric == "similarity"][["value", "iterate"]])
    with pytest.raises(RecordError, match="metrik"):
        read(tmp_path, columns=["metrik"])
    with pytest.raises(RecordError, match="metrik"):
        read(tmp_path, filters=[("metrik", "==", "similarity")])


def test_a_diverged_value_is_null_and_says_so(tmp_path):
    write(errors_of(), tmp_path / "a.parquet", PROVENANCE)
    rows = read(tmp_path)
    gone = rows[(rows.iterate == 2) & (rows.position == 4)]
    assert gone.status.tolist() == ["diverged"]
    assert gone.value.isna().all()
    assert gone.stderr.isna().all()
    assert (rows.status == "ok").sum() == rows.value.notna().sum() == len(rows) - 1
    assert pq.read_table(tmp_path)["value"].null_count == 1


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("value", lambda c: c.where(c.index != 0), "value: null or NaN under the status 'ok'"),
        ("value", lambda c: c.mask(c.index == 0, np.inf), "value: NaN or infinity"),
        ("stderr", lambda c: c.mask(c.index == 0, np.inf), "stderr: NaN or infinity"),
        ("family", lambda c: c.replace("solver", "solvers"), "'solvers' is no family"),
        ("status", lambda c: c.replace("ok", "fine"), "'fine' is no status"),
        ("status", lambda c: c.replace("ok", LEFT_OUT), f"'{LEFT_OUT}' is no status"),
        ("status", lambda c: c.replace("ok", "diverged"), "value: null or NaN under"),
        ("method", lambda c: c.where(c.index != 0), "method: null"),
        ("seed", lambda c: c + 2**31, "seed: .*expected int32"),
        ("iterate", lambda c: c + 0.5, "iterate: .*expected int32"),
        ("iterate", lambda c: c * 0, "rows measure the same thing"),
        ("n", lambda c: c * 0 - 1, "n: negative"),
        ("n", lambda c: c.astype(str) + " prompts", "n: .*expected int64"),
    ],
)
def test_a_false_row_is_refused_and_nothing_is_written(tmp_path, column, change, message):
    rows = errors_of()
    rows[column] = change(rows[column])
    path = tmp_path / "a.parquet"
    with pytest.raises(RecordError, match=message) as caught:
        write(rows, path, PROVENANCE)
    assert str(caught.value).startswith(str(path))
    assert list(tmp_path.iterdir()) == []


def test_nan_in_an_arrow_table_is_refused(tmp_path):
    table = pa.Table.from_pandas(errors_of(), preserve_index=False)
    index = table.schema.get_field_index("value")
    table = table.set_column(index, "value", pa.array([np.nan] * len(table)))
    with pytest.raises(RecordError, match="value: NaN"):
        write(table, tmp_path / "a.parquet", PROVENANCE)


def test_columns_missing_or_unknown_are_named(tmp_path):
    rows = errors_of().rename(columns={"method": "model"})
    with pytest.raises(RecordError, match=r"missing columns: method; .*repeated columns: model"):
        write(rows, tmp_path / "a.parquet", PROVENANCE)
    with pytest.raises(ValueError, match="model"):
        make_rows(LABELS | {"model": "x"}, metric="m", iterate=0, value=1.0, n=1)


def test_no_rows_is_a_table_too(tmp_path):
    write(errors_of().iloc[:0], tmp_path / "a.parquet", PROVENANCE)
    assert len(read(tmp_path)) == 0


def test_a_flipped_or_missing_byte_is_found_and_the_file_named(tmp_path):
    path = tmp_path / "a.parquet"
    rows = pd.concat([errors_of(f"method{k}", seed=k) for k in range(20)])
    write(rows, path, PROVENANCE)
    alike = [("metric", "==", "similarity")]
    readings = [lambda: read(path), lambda: read(path, filters=alike), lambda: provenance(path)]
    rows, part, made = (reading() for reading in readings)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place, bit in [(int(rng.integers(len(whole))), int(rng.integers(8))) for _ in range(200)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        for reading, expected in zip(readings, (rows, part, made), strict=True):
            try:
                found = reading()
            except RecordError as error:
                refused += 1
                assert str(path) in str(error)
                assert "delete it and run again" in str(error)
                continue
            assert found == made if expected is made else found.equals(expected)  # an unused byte
    assert refused > 200
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError, match=r"a\.parquet: damaged.*delete it"):
            read(path)


def test_what_is_not_ours_is_refused(tmp_path):
    with pytest.raises(RecordError, match="no Parquet files"):
        read(tmp_path)
    with pytest.raises(RecordError, match="no such file"):
        read(tmp_path / "a.parquet")
    pq.write_table(pa.table({"value": [1.0]}), tmp_path / "a.parquet")
    with pytest.raises(RecordError, match=r"a\.parquet: study, .*not as in the schema"):
        read(tmp_path)
    with pytest.raises(RecordError, match="footer"):
        pq.write_table(SCHEMA.empty_table(), tmp_path / "a.parquet")
        provenance(tmp_path / "a.parquet")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    write(errors_of(), path, PROVENANCE)
    before = path.read_bytes()

    def broken(file, table, **options):
        file.file_handle.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", broken)
    with pytest.raises(OSError, match="no space"):
        write(errors_of("gd"), path, PROVENANCE)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.parquet"]


def test_provenance_survives_and_holds_no_time_host_or_path(tmp_path):
    path = tmp_path / "a.parquet"
    write(errors_of(), path, PROVENANCE)
    assert provenance(path) == PROVENANCE == json.loads(json.dumps(PROVENANCE))
    assert set(PROVENANCE) == {
        *("settings", "code", "device", "threads", "processor", "versions"),
    }
    assert set(PROVENANCE["versions"]) == {"python", "torch", "numpy", "pyarrow"}
    with pytest.raises(RecordError, match=r"provenance: .*expected plain data"):
        write(errors_of(), path, {"settings": {"path": tmp_path}})


def test_importing_records_does_not_import_torch():
    code = "import sys, iclbench.records; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

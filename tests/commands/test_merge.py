"""The rows of several machines as one folder."""

import pandas as pd
import pytest

from iclbench.__main__ import main
from iclbench.records import make_rows, provenance, read, write

LABELS = {
    "study": "s",
    "task": "haar",
    "method": "gd",
    "family": "solver",
    "scale": "smoke",
    "config": "c",
    "code": "d",
}


def table(folder, name, seeds, **changes):
    values = {"value": 1.0, **changes}
    labels = LABELS | {key: values.pop(key) for key in ("config", "code") if key in values}
    rows = [
        make_rows(labels | {"seed": seed}, metric="error", iterate=0, n=3, **values)
        for seed in seeds
    ]
    path = folder / "metrics" / f"{name}.parquet"
    write(pd.concat(rows, ignore_index=True), path, {"on": folder.name})
    return path


@pytest.fixture
def folders(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    table(one, "s/haar", [0, 1])
    table(one, "measured/s/only", [0])
    table(other, "s/haar", [1, 2])
    return one, other


def merged(folders, output):
    return main(["merge", *map(str, folders), "--output", str(output)])


def test_every_row_is_kept_once(folders, tmp_path, capsys):
    assert merged(folders, tmp_path / "both") == 0
    rows = read(tmp_path / "both/metrics/s/haar.parquet")
    assert rows["seed"].tolist() == [0, 1, 2]
    assert provenance(tmp_path / "both/metrics/s/haar.parquet") == {
        "merged": [{"on": "one"}, {"on": "other"}]
    }
    assert provenance(tmp_path / "both/metrics/measured/s/only.parquet") == {"on": "one"}
    assert "2 tables, 1 of them from several, 4 rows" in capsys.readouterr().out


def test_the_order_of_folders_does_not_matter(folders, tmp_path):
    merged(folders, tmp_path / "a")
    merged(folders[::-1], tmp_path / "b")
    tables = [read(tmp_path / name / "metrics/s/haar.parquet") for name in ("a", "b")]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": 2.0}, "1 rows contradict each other"),
        ({"config": "e"}, "different settings"),
        ({"code": "e"}, "different code"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(folders, tmp_path, changes, message, capsys):
    path = table(folders[1], "s/haar", [1, 2], **changes)
    assert merged(folders, tmp_path / "both") == 1
    error = capsys.readouterr().err
    assert message in error
    assert str(path) in error
    assert not (tmp_path / "both").exists()


def test_damaged_and_foreign_tables_are_refused(folders, tmp_path, capsys):
    path = folders[1] / "metrics/s/haar.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    assert merged(folders, tmp_path / "both") == 1
    assert f"{path}: damaged" in capsys.readouterr().err
    pd.DataFrame({"a": [1]}).to_parquet(path)
    assert merged(folders, tmp_path / "both") == 1
    assert "not as in the schema" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


def test_nothing_is_overwritten(folders, tmp_path, capsys):
    assert merged(folders, folders[0]) == 1
    assert "exists already" in capsys.readouterr().err
    assert merged(folders[:1], tmp_path / "both") == 1
    assert merged([folders[0], tmp_path / "none"], tmp_path / "both") == 1
    assert "no such folder" in capsys.readouterr().err


def test_tables_of_different_scales_are_refused(folders, tmp_path, capsys):
    LABELS["scale"] = "laptop"
    try:
        table(folders[1], "s/another", [0])
    finally:
        LABELS["scale"] = "smoke"
    assert merged(folders, tmp_path / "both") == 1
    assert "different scales" in capsys.readouterr().err

"""The command line, and every case at a size that says nothing."""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import cases, tables
from benchmarks.__main__ import main
from benchmarks.case import LeftOutError, Options
from benchmarks.cases import usage

FOLDER = Path(cases.__file__).parent
NEEDS = {"gpt2_step": find_spec("transformers") is not None, "usage": False}
"""What is left out here, and why not."""


def test_every_file_is_a_case():
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(cases.NAMES)
    assert [cases.case(name).name for name in cases.NAMES] == list(cases.NAMES)


def test_list(capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(cases.NAMES)


def test_unknown_names(capsys):
    assert main(["kaczmarz", "nothing"]) == 2
    assert "nothing: no such case; the cases are: solver_sweep" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1"])
def test_no_repetitions(text, capsys):
    with pytest.raises(SystemExit):
        main(["kaczmarz", "--repetitions", text])
    assert "at least one" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.dag if name == "dry_run" else ())
        for name in cases.NAMES
    ],
)
@pytest.mark.slow
def test_every_case_runs(name, tmp_path, capsys):
    arguments = [name, "--small", "--repetitions", "1", "--results", str(tmp_path)]
    assert main([*arguments, *([] if name == "kaczmarz" else ["--no-figures"])]) == 0
    printed = capsys.readouterr().out
    rows = pd.read_parquet(tmp_path / "ratios.parquet")
    if not NEEDS.get(name, True):
        assert f"{name} was left out: " in printed
        assert rows.empty
        return
    assert set(rows["case"]) == {name}
    timings = pd.read_parquet(tmp_path / "timings.parquet")
    assert (timings["seconds"] > 0).all()
    within = rows["difference"] <= rows["tolerance"]
    assert within[rows["tolerance"].notna()].all()
    assert tables.about(tmp_path / "ratios.parquet")["small"] is True
    if name == "kaczmarz":
        for figure in ("ratios", "growth"):
            assert (tmp_path / "figures" / f"{figure}.pdf").stat().st_size > 0


LOG = """
  Date: 2026-01-01 10:00:00
[Thu Jan  1 10:00:01 2026]
Finished jobid: 1 (Rule: prompts)
[Thu Jan  1 10:01:40 2026]
Finished jobid: 2 (Rule: train)
"""


def finished_tree(path):
    for name, seconds in {"prompts/a": 1.0, "train/a/b": 50.0}.items():
        file = path / "results" / "benchmarks" / f"{name}.tsv"
        file.parent.mkdir(parents=True)
        file.write_text(f"s\tcpu_time\tmax_rss\n{seconds}\t{seconds / 2}\t100\n")
    log = path / ".snakemake" / "log" / "1.snakemake.log"
    log.parent.mkdir(parents=True)
    log.write_text(LOG)
    return path


def test_usage_of_a_finished_run(tmp_path):
    whole, *stages = usage.comparisons(Options(tree=finished_tree(tmp_path)))
    assert whole.ours(0).seconds == 100.0
    assert [(each.series, each.ours(0).seconds, each.floor) for each in stages] == [
        ("prompts, its jobs", 1.0, 0.5),
        ("train, its jobs", 50.0, 25.0),
    ]


def test_usage_of_a_run_that_is_not_whole(tmp_path):
    tree = finished_tree(tmp_path)
    with pytest.raises(LeftOutError, match="no log of Snakemake tells of all 3 jobs"):
        usage.wall_clock(tree, 3)
    with pytest.raises(LeftOutError, match="holds no job's usage"):
        usage.read(tmp_path / "elsewhere")

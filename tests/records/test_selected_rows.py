"""What a figure reads by its selection is what it would draw of all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from iclbench.plotting.context import context
from iclbench.plotting.iterates import iterates
from iclbench.plotting.leaderboard import leaderboard
from iclbench.plotting.similarity import similarity
from iclbench.records import RecordError, left_out, make_rows, read, write
from iclbench.records.selection import Selection

TASKS, LENGTH = ("one", "other"), 9


def labels(task, method, family):
    return {
        "study": "s",
        "task": task,
        "method": method,
        "family": family,
        "seed": 0,
        "scale": "smoke",
        "config": "c",
        "code": "d",
    }


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Two tasks of different length; methods of different depths; one pair left out."""
    rng = np.random.default_rng(0)
    paths = []
    for number, task in enumerate(TASKS):
        rows = []
        depths = {("gpt2", "trained"): [1, 2, 3], ("gd", "solver"): [1, 8], ("ols", "solver"): [0]}
        for (method, family), deep in depths.items():
            at = np.arange(LENGTH + number)
            values = rng.random((len(deep), len(at)))
            rows.append(
                make_rows(
                    labels(task, method, family),
                    metric="normalised_error",
                    iterate=np.array(deep)[:, None],
                    position=at,
                    value=values,
                    stderr=values / 9,
                    n=7,
                )
            )
        for method, family in (("gpt2", "trained"), ("gd", "solver")):
            deep = depths[method, family]
            rows.append(
                make_rows(
                    labels(task, method, family),
                    metric="similarity",
                    iterate=np.array(deep)[:, None],
                    reference=np.array(["gd", "gd"]),
                    reference_iterate=np.array([1, 8]),
                    value=rng.random((len(deep), 2)),
                    n=7,
                )
            )
        if task == "other":
            rows.append(left_out(labels(task, "zero", "solver"), "needs nothing"))
        paths.append(tmp_path_factory.mktemp("rows") / f"{task}.parquet")
        write(pd.concat(rows, ignore_index=True), paths[-1], {})
    return paths


@pytest.mark.parametrize("draw", [context, iterates, leaderboard, similarity])
def test_a_figure_of_its_selection_is_that_of_all_rows(draw, tables):
    task = () if draw is leaderboard else ("other",)
    everything, chosen = read(tables), draw.selection.read(tables, *task)
    assert len(chosen) < len(everything)
    pd.testing.assert_frame_equal(draw(chosen, *task)[1], draw(everything, *task)[1])


def test_the_last_iterate_is_that_of_each_method_on_each_task(tables):
    rows = Selection("normalised_error", last="iterate").read(tables)
    last = rows[rows["metric"] == "normalised_error"].groupby(["task", "method"])["iterate"]
    assert last.nunique().eq(1).all()
    assert last.max().xs("gpt2", level="method").tolist() == [3, 3]
    assert last.max().xs("gd", level="method").tolist() == [8, 8]
    assert (rows["status"] == "left out: needs nothing").sum() == 1


def test_the_last_quarter_is_that_of_each_task(tables):
    rows = Selection("normalised_error", last="quarter").read(tables)
    found = rows.groupby("task")["position"].agg(["min", "max"])
    assert found.loc["one"].tolist() == [7, 8]
    assert found.loc["other"].tolist() == [8, 9]


def test_a_metric_that_was_not_measured_leaves_what_was_left_out(tables):
    for last in (None, "iterate", "quarter"):
        rows = Selection("loss", last=last).read(tables)
        assert rows["method"].tolist() == ["zero"]


def test_a_damaged_table_is_named(tables, tmp_path):
    whole = tables[0].read_bytes()
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(whole[:500] + bytes(8) + whole[508:])
    with pytest.raises(RecordError, match=r"^\S+damaged\.parquet: damaged \("):
        Selection("normalised_error", last="iterate").read([tables[1], damaged])

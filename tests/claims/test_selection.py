"""Selections say what is missing; nothing is silently left away."""

import numpy as np
import pandas as pd
import pytest
from claim_rows import LABELS, curve, rows_of

from iclbench.claims.selection import LackingError, paired, per_seed, per_seed_and, select
from iclbench.files import JobError
from iclbench.records import left_out, read, write

ROWS = pd.concat(
    [
        curve(np.arange(12.0).reshape(3, 4), [0, 1, 2, 5]),
        curve(np.arange(6.0).reshape(1, 6), range(6), method="softmax"),
        rows_of([1.0, 2.0], method="gd", metric="rate", position=3),
    ],
    ignore_index=True,
)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"metric": "error"}, 18),
        ({"metric": "error", "method": ["limit", "softmax"]}, 18),
        ({"method": "limit", "iterate": {"from": 1, "to": 4}}, 6),
        ({"method": "limit", "iterate": {"from": 2}}, 6),
        ({"method": "limit", "iterate": [0, 5]}, 6),
        ({"metric": "error", "position": None}, 18),
        ({"metric": ["error", "rate"], "position": 3}, 2),
        ({"metric": "error", "iterate": "last"}, 4),
        ({"seed": 1, "method": "limit"}, 4),
    ],
)
def test_filters_match_what_they_say(filters, count, tmp_path):
    assert len(select(ROWS, filters)) == count
    write(ROWS, tmp_path / "rows.parquet", {})
    assert len(select(read(tmp_path / "rows.parquet"), filters)) == count


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"method": "limt"}, "no row has method limt; there are gd, limit and softmax"),
        ({"metric": "error", "method": ["limit", "nope"]}, "no row has method nope"),
        ({"method": "gd", "iterate": 5}, "no row has iterate 5 together with method gd"),
        ({"method": "limit", "iterate": [0, 3]}, "no row has iterate 3 together with method limit"),
        ({"iterate": {"from": 9}}, "no row has iterate from 9; there are 0, 1, 2, 3, 4 and 5"),
        ({"reference": "x"}, "no row has reference x; all rows have no reference"),
    ],
)
def test_the_filter_that_matches_nothing_is_named(filters, said):
    with pytest.raises(LackingError, match=said):
        select(ROWS, filters)


def test_a_method_left_out_is_not_run():
    reason = left_out(LABELS | {"method": "newton"}, "it needs a scalar output")
    rows = pd.concat([ROWS, reason], ignore_index=True)
    said = "newton is left out of periodic: it needs a scalar output"
    for filters in (
        {"method": "newton", "metric": "similarity"},
        {"method": ["limit", "newton"], "metric": "error"},
        {"reference": "newton", "method": "limit"},
    ):
        with pytest.raises(LackingError, match=said):
            select(rows, filters)
    assert len(select(rows, {"method": "limit"})) == 12


def test_no_rows_at_all():
    with pytest.raises(LackingError, match="hold no rows"):
        select(ROWS.iloc[:0], {"metric": "error"})


def test_mixtures_are_refused():
    with pytest.raises(JobError, match="several metrics"):
        select(ROWS, {})
    both = pd.concat([ROWS, rows_of([1.0], position=2)], ignore_index=True)
    with pytest.raises(JobError, match="position: null"):
        select(both, {"metric": "error"})


@pytest.mark.parametrize("reduce", ["mean", "max", "min", "sum", "median"])
def test_rows_of_a_seed_are_reduced(reduce):
    values = np.random.default_rng(0).normal(size=(4, 7))
    found = per_seed(curve(values, range(7)), reduce)
    np.testing.assert_allclose(found, getattr(np, reduce)(values, axis=1), rtol=1e-14)
    assert found.index.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("reduce", ["mean", "max", "min", "sum", "median"])
def test_a_seed_with_a_diverged_row_has_no_value(reduce):
    values = np.ones((3, 4))
    values[1, 2] = np.inf
    assert per_seed(curve(values, range(4)), reduce).isna().tolist() == [False, True, False]
    table = per_seed_and(curve(values, range(4)), "iterate", reduce)
    assert table.isna().sum().sum() == 1


def test_a_single_seed_is_broadcast():
    many, one = per_seed(rows_of([1.0, 2.0, 3.0]), "mean"), per_seed(rows_of([9.0]), "mean")
    for first, second in (paired(many, one), paired(one, many)[::-1]):
        assert first.tolist() == [1, 2, 3]
        assert second.tolist() == [9, 9, 9]


def test_seeds_are_paired_by_number():
    first = per_seed(rows_of([1.0, 2.0, 3.0], seed=[2, 1, 0]), "mean")
    second = per_seed(rows_of([10.0, 30.0], seed=[0, 2]), "mean")
    one, other = paired(first, second)
    assert (other - one).tolist() == [7, 29]
    with pytest.raises(LackingError, match="no seed in common"):
        paired(first, per_seed(rows_of([1.0, 2.0], seed=[7, 8]), "mean"))


def test_a_course_needs_every_abscissa_in_every_seed():
    rows = curve(np.ones((2, 3)), range(3))
    with pytest.raises(LackingError, match="seed 0 lacks some of the 3 values of iterate"):
        per_seed_and(rows.drop(0), "iterate", "mean")
    with pytest.raises(LackingError, match="at least two"):
        per_seed_and(rows_of([1.0]), "iterate", "mean")
    with pytest.raises(LackingError, match="0 value of position"):
        per_seed_and(rows, "position", "mean")

"""Ratios, aims and exponents, from timings that are given."""

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks import report, tables
from benchmarks.agreement import largest_difference
from benchmarks.case import Aim, Comparison, Growth, Run
from benchmarks.cases.published_loss import reached
from benchmarks.timing import Timed, alternate


def scripted(seconds):
    """Return a side that says it took these seconds, repetition by repetition."""
    return lambda repetition: Run(seconds[repetition], result=seconds[repetition])


def compare(ours, reference=None, **settings):
    comparison = Comparison(
        series="a",
        size="b",
        ours=scripted(ours),
        reference=None if reference is None else scripted(reference),
        warm_up=(),
        **settings,
    )
    return comparison, list(alternate(comparison, len(ours)))


def test_a_ratio_is_the_median_of_the_pairs():
    found = tables.ratios("case", *compare([1.0, 2.0, 4.0], [10.0, 10.0, 10.0])).iloc[0]
    assert (found["ratio"], found["ratio_low"], found["ratio_high"]) == (5.0, 2.5, 10.0)
    assert (found["ours_s"], found["reference_s"], found["excess"]) == (2.0, 10.0, -8.0)
    assert found["repetitions"] == 3
    assert found["aim"] is None


@pytest.mark.parametrize(
    ("aim", "met"),
    [
        (Aim("ratio", 5.0), True),
        (Aim("ratio", 5.1), False),
        (Aim("floors", 4.0), True),
        (Aim("floors", 3.9), False),
        (Aim("seconds", 2.0), True),
        (Aim("seconds", 1.9), False),
        (Aim("excess", -8.0), True),
        (Aim("excess", -8.1), False),
    ],
)
def test_aims(aim, met):
    measured = compare([1.0, 2.0, 4.0], [10.0, 10.0, 10.0], floor=0.5, aims=(aim,))
    assert bool(tables.ratios("case", *measured).iloc[0]["met"]) is met


def test_each_aim_has_a_row_of_its_own():
    aims = (Aim("ratio", 10), Aim("floors", 3))
    found = tables.ratios("case", *compare([1.0], [20.0], floor=0.5, aims=aims))
    assert found["aim"].tolist() == ["ratio ≥ 10", "≤ 3 floors"]
    assert found["ratio"].tolist() == [20.0, 20.0]


def test_ours_alone_has_no_ratio_and_no_verdict():
    found = tables.ratios("case", *compare([1.0], aims=(Aim("ratio", 10),))).iloc[0]
    assert math.isnan(found["ratio"])
    assert found["met"] is None


def test_what_was_never_reached():
    found = tables.ratios("case", *compare([math.inf, 1.0, math.inf], [3.0, 3.0, math.inf])).iloc[0]
    assert found["ours_s"] == math.inf
    assert found["ratio"] == 1.5  # of 0, 3 and unknown
    assert "never" in report.line(found.to_dict())
    assert reached([(10, 1.0, 0.5), (20, 2.0, 0.1), (30, 3.0, 0.2)], 0.1) == 2.0
    assert reached([(10, 1.0, 0.5)], 0.1) == math.inf


def test_results_are_compared():
    settings = {"difference": largest_difference, "tolerance": 1e-8}
    found = tables.ratios("case", *compare([1.0, 2.0], [1.0, 2.5], **settings)).iloc[0]
    assert found["difference"] == 0.2  # of the last repetition, relative to 2.5
    with pytest.raises(ValueError, match="shapes"):
        largest_difference(np.ones(2), np.ones(3))


def test_sides_take_turns_in_being_first():
    _, runs = compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    sides = [each.side for each in runs]
    assert sides == ["ours", "reference", "reference", "ours", "ours", "reference"]
    assert [each.repetition for each in runs] == [0, 0, 1, 1, 2, 2]


def test_repetitions_may_be_bounded():
    comparison = Comparison("a", "b", scripted([1.0]), warm_up=(), at_most=1)
    assert len(list(alternate(comparison, 5))) == 1


def test_warm_up_runs_once_more_and_measures_memory():
    seen = []

    def side(repetition):
        seen.append(repetition)
        return Run(1.0, result=np.ones(2**23))  # 64 MiB

    runs = list(alternate(Comparison("a", "b", side, warm_up=("ours",)), 2))
    assert seen == [0, 0, 1]
    assert math.isnan(runs[0].memory) or 48 < runs[0].memory < 512


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_exponents_of_exact_powers(power):
    measured = []
    for at in (16, 32, 64, 128):
        comparison = Comparison(
            "a", "b", scripted([1e-3 * at**power]), growth=Growth("T", at, power), warm_up=()
        )
        measured.append((comparison, list(alternate(comparison, 1))))
    found = tables.growth("case", measured).iloc[0]
    assert found["exponent"] == pytest.approx(power)
    assert found["arithmetic"] == power


def test_fixed_costs_do_not_hide_the_exponent():
    sizes = pd.Series([16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0])
    assert tables.slope(sizes, 1 + 1e-3 * sizes**2) == pytest.approx(2, abs=0.05)


def test_nothing_grows_where_nothing_has_sizes():
    assert tables.growth("case", [compare([1.0])]).empty


def test_a_table_says_what_it_was_measured_on(tmp_path):
    runs = [Timed("ours", 0, Run(1.0), math.nan)]
    table = tables.timings("case", Comparison("a", "b", scripted([1.0])), runs)
    tables.write(table, tmp_path / "timings.parquet", {"processor": "x", "cores": 2})
    assert tables.about(tmp_path / "timings.parquet") == {"processor": "x", "cores": 2}
    assert pd.read_parquet(tmp_path / "timings.parquet")["seconds"].tolist() == [1.0]


def test_times_are_told_in_units_that_suit_them():
    shown = [report.seconds(value) for value in (2e-6, 3.25e-3, 1.0, 99.4, 123.4, math.inf)]
    assert shown == ["2 µs", "3.25 ms", "1 s", "99.4 s", "123 s", "never"]

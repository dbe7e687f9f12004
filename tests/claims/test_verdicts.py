"""Verdicts: intervals cover, tests agree with scipy's, and no seed is lost on the way."""

import re

import numpy as np
import pandas as pd
import pytest
from claim_rows import LABELS, claim, curve, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from iclbench.claims.statistics import effect_of, samples
from iclbench.claims.verdicts import decide
from iclbench.records import left_out

BELOW = {"below": 1.0}
EVERY = {"kind": "value", "over": "every"}
A, B = {"method": "a"}, {"method": "b"}


def word(statistic, criterion, rows):
    return decide(claim(statistic, criterion), rows, "laptop").word


def both(a, b, **options):
    return pd.concat(
        [rows_of(a, method="a", **options), rows_of(b, method="b", **options)], ignore_index=True
    )


def effect(statistic, criterion, rows):
    asked = claim(statistic, criterion)
    (sample,) = samples(asked, rows)
    return effect_of(sample, asked)


def test_the_interval_covers_the_mean():
    rng, trials, seeds = np.random.default_rng(0), 400, 5
    asked = claim(None, BELOW)
    covered = 0
    for values in rng.normal(2, 3, size=(trials, seeds)):
        (sample,) = samples(asked, rows_of(values))
        found = effect_of(sample, asked)
        covered += found.low <= 2 <= found.high
    assert stats.binomtest(covered, trials, 0.95).pvalue > 1e-3


def test_ratios_are_geometric():
    rng = np.random.default_rng(1)
    a, b = np.exp(rng.normal(size=(2, 6)))
    found = effect({"kind": "ratio", "of": A, "to": B}, BELOW, both(a, b))
    logs = np.log(a / b)
    low, high = stats.t.interval(0.95, 5, loc=logs.mean(), scale=stats.sem(logs))
    np.testing.assert_allclose(
        [found.value, found.low, found.high], np.exp([logs.mean(), low, high])
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    seeds=st.integers(2, 12),
    shift=st.floats(-2, 2),
    relative=st.booleans(),
)
def test_equivalence_is_two_one_sided_tests(seed, seeds, shift, relative):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(shift, 1, size=seeds), rng.normal(0, 1, size=seeds)
    differences = (a - b) / np.abs(b) if relative else a - b
    lower = stats.ttest_1samp(differences, -1.5, alternative="greater").pvalue
    upper = stats.ttest_1samp(differences, 1.5, alternative="less").pvalue
    statistic = {"kind": "equivalence", "of": A, "to": B, "relative": relative}
    found = word(statistic, {"near": 0, "within": 1.5}, both(a, b))
    assert (found == "supported") == (max(lower, upper) < 0.05)
    refuted = min(1 - lower, 1 - upper) < 0.05
    assert (found == "refuted") == refuted


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8),
    bound=st.floats(-1e3, 1e3),
)
def test_below_and_above_exclude_each_other(values, bound):
    rows = rows_of(values)
    below, above = (word(None, {side: bound}, rows) for side in ("below", "above"))
    opposite = {"supported": "refuted", "refuted": "supported", "inconclusive": "inconclusive"}
    assert below == opposite[above] or below == above == "refuted"  # equal values, on the bound


def test_differences_are_paired():
    """A shift far below the spread between seeds is found, as each seed has it."""
    common = np.random.default_rng(0).normal(0, 100, size=8)
    rows = both(common + 1 + 0.01 * np.arange(8), common)
    assert word({"kind": "difference", "of": A, "minus": B}, {"above": 0.9}, rows) == "supported"
    assert word({"kind": "difference", "of": B, "minus": A}, {"above": 0}, rows) == "refuted"


def test_a_deterministic_method_is_broadcast():
    rows = both([1.0, 2.0, 3.0], [10.0])
    found = effect({"kind": "difference", "of": B, "minus": A}, {"above": 0}, rows)
    assert (found.value, found.seeds) == (8, 3)
    assert effect({"kind": "ratio", "of": A, "to": B}, BELOW, rows).value == pytest.approx(
        6 ** (1 / 3) / 10
    )


def test_every_seed_counts():
    assert word(EVERY, BELOW, rows_of([0.1, 0.5, 0.9])) == "supported"
    verdict = decide(claim(EVERY, BELOW), rows_of([0.1, 0.5, 1.0, 7.0]), "laptop")
    assert verdict.word == "refuted"
    assert "2 of 4 seeds are not below 1; seed 3 gives 7" in verdict.reason
    assert (verdict.effect.low, verdict.effect.high) == (0.1, 7)
    assert word(None, BELOW, rows_of([0.1, 0.5, 1.0, 7.0])) == "inconclusive"


def test_one_seed_suffices_for_exact_statements_alone():
    rows = rows_of([0.5])
    assert word(EVERY, BELOW, rows) == "supported"
    assert word(EVERY, {"above": 1}, rows) == "refuted"
    verdict = decide(claim(None, BELOW), rows, "laptop")
    assert verdict.word == "inconclusive"
    assert (
        "one seed gives no interval; more seeds, or where nothing is random over: every"
        in verdict.reason.lower()
    )
    assert verdict.effect.value == 0.5
    assert np.isnan(verdict.effect.low)


def test_diverged_seeds_refute_or_leave_open():
    rows = rows_of([0.1, np.inf, 0.2, np.nan])
    refuted = decide(claim(EVERY, BELOW), rows, "laptop")
    assert refuted.word == "refuted"
    assert "eeds 1 and 3 diverged" in refuted.reason
    assert word(EVERY, {"above": -9}, rows) == "inconclusive"  # which infinity is not known
    assert word(EVERY, {"above": 0.15}, rows) == "refuted"
    for criterion in (BELOW, {"above": -9}):
        verdict = decide(claim(None, criterion), rows, "laptop")
        assert verdict.word == "inconclusive"
        assert "Seeds 1 and 3 diverged" in verdict.reason
    gone = decide(claim(EVERY, BELOW), rows_of([np.inf, np.inf]), "laptop")
    assert gone.word == "refuted"
    assert "All 2 seeds diverged" in gone.reason


def test_what_is_lacking_is_not_run():
    rows = rows_of([0.1, 0.2])
    for options, said in (
        ({"where": {"method": "nope"}}, "No row has method nope"),
        ({"scales": ["paper"]}, "decided at scale paper"),
    ):
        verdict = decide(claim(None, BELOW, **options), rows, "laptop")
        assert (verdict.word, verdict.effect) == ("not run", None)
        assert said in verdict.reason
    absent = left_out(LABELS | {"method": "newton"}, "it needs noise")
    asked = claim(None, BELOW, where={"method": "newton"})
    verdict = decide(asked, pd.concat([rows, absent], ignore_index=True), "laptop")
    assert verdict.word == "not run"
    assert verdict.reason.endswith("it needs noise.")


def test_equal_seeds_have_an_interval_of_no_width():
    value = 0.1 + 0.2
    for criterion, expected in (
        ({"near": value, "within": 0}, "supported"),
        ({"below": value}, "refuted"),
        ({"above": value}, "refuted"),
    ):
        assert word(None, criterion, rows_of([value] * 3)) == expected
    same = both([1.0, 2.0], [1.0, 2.0])
    ordered = {"kind": "ordering", "smallest_first": [A, B]}
    assert word(ordered, None, same) == "refuted"
    assert word({"kind": "difference", "of": A, "minus": B}, {"near": 0, "within": 0}, same) == (
        "supported"
    )


@pytest.mark.parametrize("over", ["mean", "every"])
def test_an_ordering_is_that_of_the_means(over):
    rng = np.random.default_rng(3)
    noise = 0.01 * rng.normal(size=(3, 6))
    rows = pd.concat(
        [
            rows_of(level + noise[index], method=name)
            for index, (name, level) in enumerate({"a": 1.0, "b": 1.5, "c": 4.0}.items())
        ],
        ignore_index=True,
    )
    sides = [{"method": name} for name in "abc"]
    asked = claim({"kind": "ordering", "smallest_first": sides, "over": over})
    verdict = decide(asked, rows, "laptop")
    assert verdict.word == "supported"
    assert verdict.effect.what == "method b − method a"
    assert verdict.effect.value == pytest.approx(0.5, abs=0.03)
    wrong = claim(
        {"kind": "ordering", "smallest_first": [sides[i] for i in (0, 2, 1)], "over": over}
    )
    verdict = decide(wrong, rows, "laptop")
    assert verdict.word == "refuted"
    assert verdict.effect.what == "method b − method c"


def test_the_worst_of_many_steps_is_no_refutation_by_chance():
    """Of 20 equal means some step's own interval lies below zero far too often."""
    rng, refuted = np.random.default_rng(4), 0
    for _ in range(60):
        rows = curve(rng.normal(size=(8, 20)), range(20))
        statistic = {"kind": "monotone", "along": "iterate", "direction": "increasing"}
        refuted += word(statistic, None, rows) == "refuted"
    assert stats.binomtest(refuted, 60, 0.05, alternative="greater").pvalue > 1e-3


def test_a_monotone_course():
    x = np.arange(5)
    values = np.exp(-x) * (1 + np.arange(4)[:, None] / 10)
    statistic = {"kind": "monotone", "along": "iterate"}
    for rows, direction in ((curve(values, x), "decreasing"), (curve(-values, x), "increasing")):
        verdict = decide(claim(statistic | {"direction": direction}), rows, "laptop")
        assert verdict.word == "supported"
        assert verdict.effect.what == "iterate 3 → 4"
        opposite = {"decreasing": "increasing", "increasing": "decreasing"}[direction]
        assert word(statistic | {"direction": opposite}, None, rows) == "refuted"


@pytest.mark.parametrize("axes", ["loglog", "loglinear", "linear"])
def test_a_slope_is_recovered(axes):
    rng = np.random.default_rng(5)
    x = np.array([1, 2, 5, 9, 30])
    slopes = rng.normal(-1.5, 0.1, size=7)[:, None]
    constants = rng.uniform(1, 2, size=(7, 1))
    values = {
        "loglog": constants * x**slopes,
        "loglinear": constants * np.exp(slopes * x),
        "linear": constants + slopes * x,
    }[axes]
    found = effect({"kind": "slope", "x": "iterate", "axes": axes}, BELOW, curve(values, x))
    low, high = stats.t.interval(0.95, 6, loc=slopes.mean(), scale=stats.sem(slopes[:, 0]))
    np.testing.assert_allclose([found.value, found.low, found.high], [slopes.mean(), low, high])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), seeds=st.integers(1, 4))
def test_a_slope_is_least_squares(seed, seeds):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.choice(50, size=6, replace=False))
    y = rng.normal(size=(seeds, 6))
    statistic = {"kind": "slope", "x": "iterate", "axes": "linear", "over": "every"}
    asked = claim(statistic, BELOW)
    (sample,) = samples(asked, curve(y, x))
    np.testing.assert_allclose(sample.by_seed, np.polyfit(x, y.T, 1)[0], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("statistic", "rows", "said"),
    [
        ({"kind": "ratio", "of": A, "to": B}, both([1.0, 0.0], [1.0, 1.0]), "of .* is 0 at seed 1"),
        ({"kind": "ratio", "of": A, "to": B}, both([1.0], [-2.0]), "to .* is -2 at seed 0"),
        (
            {"kind": "ratio", "of": A, "to": B, "over": "every"},
            both([1.0], [0.0]),
            "it must not be 0",
        ),
        (
            {"kind": "equivalence", "of": A, "to": B, "relative": True},
            both([1.0], [0.0]),
            "use relative: false",
        ),
        (
            {"kind": "slope", "x": "iterate", "axes": "loglog"},
            curve(np.ones((1, 2)), [0, 1]),
            "terate 0 has no logarithm",
        ),
        (
            {"kind": "slope", "x": "iterate", "axes": "loglinear"},
            curve(np.array([[1.0, 0.0]]), [1, 2]),
            "seed 0, iterate 2 is 0",
        ),
    ],
)
def test_undefined_statistics_leave_the_claim_open(statistic, rows, said):
    verdict = decide(claim(statistic, BELOW), rows, "laptop", "ckd/E7")
    assert verdict.word == "inconclusive"
    assert re.search(said, verdict.reason)


def test_a_seed_that_lacks_rows_is_not_judged_by_those_it_has():
    rows = curve(np.array([[3.0, 1.0], [3.0, 5.0]]), [0, 1])
    short = rows[(rows["seed"] == 0) | (rows["iterate"] == 0)]
    for where in ({"iterate": "last"}, {"iterate": [0, 1]}):
        asked = claim(EVERY, {"below": 4}, where=where)
        assert decide(asked, rows, "laptop").word == "refuted"
        verdict = decide(asked, short, "laptop")
        assert verdict.word == "not run", where


def test_the_interval_says_on_how_many_prompts_it_is():
    rows = rows_of([0.1, 0.2, 0.3])
    alone = decide(claim(None, BELOW), rows.assign(n=1), "laptop").effect.interval
    shared = decide(claim(None, BELOW), rows.assign(n=100), "laptop").effect.interval
    assert shared == f"{alone}, on the same 100 prompts"


def test_the_advice_is_about_right():
    """With as many seeds as advised, of the same mean and spread, the claim is decided."""
    values = np.array([-1.0, 0.0, 1.0, 2.0])
    verdict = decide(claim(None, {"below": 1.0}), rows_of(values), "laptop")
    assert verdict.word == "inconclusive"
    count = int(verdict.reason.split("about ")[1].split(" ")[0])
    unit = np.tile([-1.0, 1.0], count)[:count]
    for seeds, expected in ((count, "supported"), (len(values) + 2, "inconclusive")):
        more = unit[:seeds] - unit[:seeds].mean()
        more *= values.std(ddof=1) / more.std(ddof=1)
        assert word(None, {"below": 1.0}, rows_of(more + 0.5)) == expected
    hopeless = decide(claim(None, {"below": 0.5 + 1e-9}), rows_of(values), "laptop")
    assert "a larger scale might" in hopeless.reason

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iclbench.measures import (
    best_match,
    bootstrap,
    difference_of_means,
    induced_weights,
    interval_over_seeds,
    mean_and_stderr,
    rows_from_errors,
    similarity_of_errors,
    similarity_of_weights,
    squared_errors,
)
from iclbench.records import SCHEMA, read, write
from iclbench.streams import stream

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
sizes = st.integers(1, 4)
few = settings(deadline=None, max_examples=25)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def similarity_by_hand(first, second):
    return np.array(
        [
            [
                np.mean(
                    [u @ v / math.sqrt(u @ u) / math.sqrt(v @ v) for u, v in zip(a, b, strict=True)]
                )
                for b in second.flatten(2).numpy()
            ]
            for a in first.flatten(2).numpy()
        ]
    )


def least_squares(inputs, outputs):
    """Two iterates: zero, and the minimum-norm least squares of each prefix."""
    predictions = torch.zeros(2, *outputs.shape, dtype=outputs.dtype)
    for t in range(1, inputs.shape[1]):
        w = torch.linalg.lstsq(inputs[:, :t], outputs[:, :t], driver="gelsd").solution
        predictions[1, :, t] = (inputs[:, t, None] @ w)[:, 0]
    return predictions


@few
@given(k=sizes, b=sizes, t=sizes, q=sizes)
def test_squared_errors_are_means_over_outputs(k, b, t, q):
    predictions, outputs = normal(k, b, t, q), normal(b, t, q, seed=1)
    errors = squared_errors(predictions, outputs)
    expected = ((predictions - outputs) ** 2).sum(-1) / q
    torch.testing.assert_close(errors, expected, rtol=1e-14, atol=0)


def test_errors_of_single_precision_do_not_overflow():
    errors = squared_errors(torch.full((1, 1, 1, 1), 1e30), torch.zeros(1, 1, 1))
    assert errors.item() == pytest.approx(1e60, rel=1e-6)


def test_the_standard_error_is_of_the_mean_over_prompts():
    values = normal(3, 50, 4)
    mean, stderr = mean_and_stderr(values)
    np.testing.assert_allclose(mean, values.numpy().mean(1))
    np.testing.assert_allclose(stderr, values.numpy().std(1, ddof=1) / math.sqrt(50))
    assert mean_and_stderr(values[:, :1])[1].isnan().all()


@few
@given(k=sizes, m=sizes, b=sizes, t=sizes, q=sizes)
def test_similarity_is_the_mean_cosine_of_residuals(k, m, b, t, q):
    first, second = normal(k, b, t, q), normal(m, b, t, q, seed=1)
    mean, stderr = similarity_of_errors(first, second)
    np.testing.assert_allclose(mean, similarity_by_hand(first, second), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(mean, similarity_of_errors(second, first)[0].mT)
    assert mean.shape == stderr.shape == (k, m)
    assert stderr.isnan().all() == (b == 1)


@few
@given(scale=st.floats(1e-300, 1e300), other=st.floats(1e-300, 1e300))
def test_similarity_does_not_depend_on_scale(scale, other):
    first, second = normal(2, 5, 3, 1), normal(3, 5, 3, 1, seed=1)
    mean, _ = similarity_of_errors(first, second)
    scaled, _ = similarity_of_errors(scale * first, other * second)
    torch.testing.assert_close(scaled, mean, rtol=1e-12, atol=1e-12)


def test_a_method_is_like_itself_even_where_it_is_right():
    residuals = normal(2, 4, 3, 2)
    residuals[1] = 0
    mean, _ = similarity_of_errors(residuals, residuals)
    torch.testing.assert_close(mean, torch.eye(2).double())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_similarity_is_nan_only_where_an_iterate_is_not_finite(bad):
    first, second = normal(4, 5, 3, 2), normal(3, 5, 3, 2, seed=1)
    clean, _ = similarity_of_errors(first, second)
    first[2, 1, 0, 0] = bad
    mean, stderr = similarity_of_errors(first, second)
    assert mean[2].isnan().all()
    assert stderr[2].isnan().all()
    kept = [0, 1, 3]
    torch.testing.assert_close(mean[kept], clean[kept], rtol=0, atol=0)


def test_similarity_of_weights_averages_over_prefixes():
    first, second = normal(2, 5, 4, 3), normal(3, 5, 4, 3, seed=1)
    mean, stderr = similarity_of_weights(first, second)
    by_prefix = [similarity_by_hand(first[:, :, [t]], second[:, :, [t]]) for t in range(4)]
    np.testing.assert_allclose(mean, np.mean(by_prefix, 0), rtol=1e-12, atol=1e-14)
    assert (stderr > 0).all()


def test_best_match_is_the_first_of_the_largest_that_are_known():
    similarity = torch.tensor(
        [[0.1, 0.9, 0.9], [math.nan, -0.5, -0.6], [math.nan] * 3, [-1.0, -1.0, math.nan]]
    )
    assert best_match(similarity).tolist() == [1, 1, -1, 0]


def test_induced_weights_recover_a_linear_predictor():
    W = normal(6, 3, 2)
    inputs, queries = normal(6, 5, 3, seed=1), normal(6, 12, 3, seed=2)
    weights = induced_weights(least_squares, inputs, inputs @ W, queries, seen=4)
    torch.testing.assert_close(weights[1], W, rtol=1e-9, atol=1e-10)
    assert (weights[0] == 0).all()
    before = induced_weights(least_squares, inputs, inputs @ W, queries, seen=0)
    assert (before == 0).all()


def test_induced_weights_use_the_prefix_alone():
    W, inputs, queries = normal(4, 3, 1), normal(4, 5, 3, seed=1), normal(4, 12, 3, seed=2)
    other = inputs.clone()
    other[:, 2:] = 7
    first, second = (
        induced_weights(least_squares, x, x @ W, queries, seen=2) for x in (inputs, other)
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_induced_weights_are_nan_only_where_an_iterate_is():
    def half_broken(inputs, outputs):
        predictions = least_squares(inputs, outputs)
        predictions[0] = math.nan
        return predictions

    W, inputs, queries = normal(4, 3, 1), normal(4, 5, 3, seed=1), normal(4, 12, 3, seed=2)
    weights = induced_weights(half_broken, inputs, inputs @ W, queries, seen=4)
    assert weights[0].isnan().all()
    torch.testing.assert_close(weights[1], W, rtol=1e-9, atol=1e-10)


def test_induced_weights_ask_for_enough_queries():
    x = normal(2, 5, 3)
    with pytest.raises(ValueError, match="2 queries in dimension 3"):
        induced_weights(least_squares, x, x, x[:, :2], seen=1)
    with pytest.raises(ValueError, match="seen 6"):
        induced_weights(least_squares, x, x, x, seen=6)


def test_intervals_over_seeds_cover_as_often_as_they_say():
    values = np.random.default_rng(0).normal(size=(4, 20_000))
    mean, low, high = interval_over_seeds(values)
    np.testing.assert_allclose(mean, values.mean(0))
    assert np.mean((low < 0) & (high > 0)) == pytest.approx(0.95, abs=0.005)


def test_one_seed_has_a_mean_and_no_interval():
    mean, low, high = interval_over_seeds(np.array([[1.0, 2.0]]))
    assert mean.tolist() == [1, 2]
    assert np.isnan([low, high]).all()


def test_a_diverged_seed_leaves_no_mean():
    mean, low, _ = interval_over_seeds(np.array([[1.0, 2.0], [np.nan, 3.0]]))
    assert np.isnan([mean[0], low[0]]).all()
    assert mean[1] == 2.5


def test_the_bootstrap_interval_is_near_the_normal_one():
    values = np.random.default_rng(0).exponential(size=(400, 2))
    low, high = bootstrap(values, rng=stream("bootstrap", 0))
    half = 1.645 * values.std(0, ddof=1) / 20
    np.testing.assert_allclose(low, values.mean(0) - half, atol=0.1 * half.max())
    np.testing.assert_allclose(high, values.mean(0) + half, atol=0.1 * half.max())
    again = bootstrap(values, rng=stream("bootstrap", 0))
    np.testing.assert_array_equal((low, high), again)


def test_the_paired_interval_of_a_difference_is_that_of_the_differences():
    rng = np.random.default_rng(0)
    first = rng.normal(size=300)
    second = first + 0.1 * rng.normal(size=300)
    pair = bootstrap(first, second, rng=stream("pair"), statistic=difference_of_means)
    alone = bootstrap(first - second, rng=stream("pair"))
    np.testing.assert_allclose(pair, alone, atol=0.002)


def test_rows_hold_the_errors_and_their_averages(tmp_path):
    errors = normal(3, 20, 4).square()
    errors[2, 7, 1] = torch.inf
    rows = rows_from_errors(errors, [0, 1, 10], 2.0, LABELS)
    assert list(rows.columns) == SCHEMA.names
    assert len(rows) == 2 * 3 * (4 + 1)
    write(rows, tmp_path / "a.parquet", {})
    rows = read(tmp_path)

    kept = rows[(rows.metric == "squared_error") & (rows.iterate == 1)]
    by_position = kept[kept.position.notna()].sort_values("position")
    np.testing.assert_allclose(by_position.value, errors[1].mean(0))
    np.testing.assert_allclose(by_position.stderr, errors[1].std(0) / math.sqrt(20))
    averaged = kept[kept.position.isna()]
    np.testing.assert_allclose(averaged.value, errors[1].mean())
    np.testing.assert_allclose(averaged.stderr, errors[1].mean(-1).std() / math.sqrt(20))
    assert (rows.n == 20).all()

    wide = rows.pivot_table(
        index=["iterate", "position"], columns="metric", values=["value", "stderr"], dropna=False
    )
    for name in ("value", "stderr"):
        np.testing.assert_allclose(
            wide[name, "normalised_error"] * 2, wide[name, "squared_error"], rtol=1e-15
        )
    gone = rows[rows.status == "diverged"]
    assert set(gone.iterate) == {10}
    assert sorted(gone.position.fillna(-1), reverse=True) == [1, 1, -1, -1]


def test_rows_refuse_a_power_of_zero_and_iterates_that_do_not_fit():
    errors = normal(3, 20, 4).square()
    with pytest.raises(ValueError, match="power 0"):
        rows_from_errors(errors, [0, 1, 2], 0.0, LABELS)
    with pytest.raises(ValueError, match="2 iterates"):
        rows_from_errors(errors, [0, 1], 1.0, LABELS)

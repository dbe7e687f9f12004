"""Identities of the construction, checked by loops of their own, and what goes wrong is seen."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from iclbench.kernels.named import inner_product_kernel
from iclbench.studies.functional_gd.constructions import Construction
from iclbench.studies.functional_gd.descents import (
    closed_form,
    descend,
    descend_in_weights,
    similarities,
)
from iclbench.studies.functional_gd.problems import SPECTRUM, process

LABELS = {"study": "functional_gd", "task": "m", "scale": "smoke", "config": "c", "code": "d"}
KERNELS = {
    "linear": lambda u, v: float(u @ v),
    "relu": lambda u, v: max(0.0, float(u @ v)),
    "exponential": lambda u, v: math.exp(float(u @ v)),
}


def rows_of(measurement):
    return pd.concat(measurement.measure(("functional_gd", "m"), LABELS), ignore_index=True)


@pytest.fixture(scope="module")
def rows():
    return rows_of(
        Construction(
            kind="functional_gd_construction",
            seeds=2,
            prompts=3,
            pairs=9,
            layers=5,
            few=3,
            depths=(1, 10, 1000),
            contractions=60,
            counts=(2, 5),
            sampled=2000,
        )
    )


def values(rows, metric, **filters):
    chosen = rows["metric"] == metric
    for column, wanted in filters.items():
        chosen &= rows[column] == wanted
    assert chosen.any()
    return rows.loc[chosen, "value"].to_numpy(dtype=float)


def prompts(size=2, length=7):
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, length, 5)) / 2, rng.standard_normal((size, length))


@pytest.mark.parametrize("kind", KERNELS)
def test_descent_is_a_loop_over_pairs_of_points(kind):
    x, y = prompts(1)
    kappa, n = KERNELS[kind], 6
    f = [0.0] * 7
    found = descend(similarities(kind, x), y, np.array([0.1, 0.05, 0.2]))[:, 0]
    for layer, eta in enumerate([0.1, 0.05, 0.2]):
        pulls = [eta * (f[i] - y[0, i]) for i in range(n)]
        f = [f[j] - sum(pulls[i] * kappa(x[0, i], x[0, j]) for i in range(n)) for j in range(7)]
        np.testing.assert_allclose(found[layer], f, atol=1e-12)


def test_softmax_similarities_of_the_keys_sum_to_one_for_every_query():
    x, _ = prompts()
    weights = similarities("softmax", x)
    np.testing.assert_allclose(weights[:, :-1].sum(1), 1)
    ratio = weights[0, 0, 3] / weights[0, 1, 3]
    assert ratio == pytest.approx(math.exp((x[0, 0] - x[0, 1]) @ x[0, 3]))


@pytest.mark.parametrize("kind", KERNELS)
def test_the_closed_form_is_where_descent_arrives(kind):
    x, y = prompts(3, 9)
    gram = similarities(kind, x)
    steps = np.array([0.05, 0.11, 0.02])
    found = closed_form(gram, y, steps)
    np.testing.assert_allclose(found, descend(gram, y, steps)[..., -1], atol=1e-10)


def test_descent_in_weights_ends_at_least_squares():
    x, y = prompts(2, 12)
    w = np.stack([np.linalg.lstsq(a[:-1], b[:-1])[0] for a, b in zip(x, y, strict=True)])
    found = descend_in_weights(x, y, np.full(20_000, 0.1))[-1]
    np.testing.assert_allclose(found, np.einsum("bp,bp->b", x[:, -1], w), atol=1e-8)


@pytest.mark.parametrize(
    "metric", ["query_gap", "context_gap", "closed_form_gap", "weights_gap", "composite_gap"]
)
def test_what_theory_says_is_equal_is_equal(metric, rows):
    assert values(rows, metric).max() < 1e-12


def test_all_kinds_of_attention_and_all_layers_are_compared(rows):
    assert set(rows.loc[rows["metric"] == "context_gap", "method"]) == {*KERNELS, "softmax"}
    assert set(rows.loc[rows["metric"] == "query_gap", "iterate"]) == {1, 2, 3, 4, 5}


def test_the_wrong_sign_is_seen(rows):
    assert values(rows, "sign_gap").min() > 0.01


def test_depth_leads_to_the_bayes_prediction(rows):
    by_depth = [values(rows, "bayes_gap", iterate=depth).max() for depth in (1, 10, 1000)]
    assert by_depth[0] > by_depth[1] > by_depth[2]
    assert by_depth[2] < 0.01


def test_residuals_shrink_below_the_bound_and_grow_above_it(rows):
    for percent in (50, 99):
        assert values(rows, "largest_residual_ratio", reference_iterate=percent).max() < 1
    assert values(rows, "last_residual_ratio", reference_iterate=125).min() > 1


def test_the_first_bayes_losses_are_those_of_the_gram_matrix(rows):
    """E kappa(x, x) - k^T K^{-1} k, by its own draws and by solving."""
    rng = np.random.default_rng(1)
    task = process(inner_product_kernel("exponential"), SPECTRUM, 0)
    xi = rng.standard_normal((4000, 6, 5))
    x = xi / np.linalg.norm(xi, axis=-1, keepdims=True) @ task.covariance_root
    gram = np.exp(x @ x.mT)
    for n in (2, 5):
        K, k = gram[:, :n, :n], gram[:, :n, n]
        expected = gram[:, n, n] - np.einsum(
            "bi,bi->b", k, np.linalg.solve(K, k[..., None])[..., 0]
        )
        found = values(rows, "bayes_loss", method="exponential", position=n)
        assert found.mean() == pytest.approx(expected.mean(), rel=0.05)

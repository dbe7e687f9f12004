from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy.stats import ortho_group

from iclbench.solvers.least_squares import LeastSquares

OLS = LeastSquares(kind="least_squares")


def predict(x, y):
    return OLS.predict(torch.from_numpy(x), torch.from_numpy(y))[0].numpy()


def by_pinv(x, y):
    predictions = np.zeros_like(y)
    for b, t in np.ndindex(y.shape[:2]):
        if t > 0:
            cutoff = max(t, x.shape[-1]) * np.finfo(float).eps
            predictions[b, t] = x[b, t] @ np.linalg.pinv(x[b, :t], cutoff) @ y[b, :t]
    return predictions


@pytest.mark.parametrize("outputs", [1, 3])
def test_it_is_the_pseudo_inverse_on_every_prefix(outputs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 30, 10)), rng.normal(size=(8, 30, outputs))
    np.testing.assert_allclose(predict(x, y), by_pinv(x, y), rtol=0, atol=1e-10)


@settings(deadline=None, max_examples=30)
@given(arrays(np.int8, (2, 7, 3), elements=st.integers(-2, 2)), st.integers(0, 99))
def test_it_is_the_pseudo_inverse_where_inputs_repeat_or_are_dependent(x, seed):
    x, y = x.astype(float), np.random.default_rng(seed).normal(size=(2, 7, 1))
    np.testing.assert_allclose(predict(x, y), by_pinv(x, y), rtol=0, atol=1e-10)


def test_inputs_in_a_subspace_do_not_disturb_it():
    rng = np.random.default_rng(1)
    basis = ortho_group.rvs(10, random_state=rng)[:4]
    x = rng.normal(size=(4, 25, 4)) @ basis
    y = x @ rng.normal(size=(4, 10, 1))
    np.testing.assert_allclose(predict(x, y)[:, 5:], y[:, 5:], rtol=0, atol=1e-10)
    single = predict(x.astype(np.float32), y.astype(np.float32))
    np.testing.assert_allclose(single[:, 6:], y[:, 6:], rtol=0, atol=1e-3)


def test_its_error_below_the_dimension_is_that_of_a_random_projection():
    """Normalised by d it is 1 - t / d for t < d, and 0 from there on."""
    rng = np.random.default_rng(2)
    batch, d = 1500, 10
    x = rng.normal(size=(batch, d + 3, d))
    y = x @ rng.normal(size=(batch, d, 1))
    errors = ((predict(x, y) - y)[..., 0]) ** 2 / d
    standard_error = errors.std(0) / np.sqrt(batch)
    expected = np.clip(1 - np.arange(d + 3) / d, 0, None)
    assert (np.abs(errors.mean(0) - expected) <= 3 * standard_error + 1e-12).all()


def test_its_errors_on_rotations_are_those_of_the_reference_table():
    """Haar O(5) from 1/sqrt(5): after s_1 … s_t the mean squared error a coordinate."""
    batch, d = 4000, 5
    W = ortho_group.rvs(d, size=batch, random_state=np.random.default_rng(3))
    states = [np.full((batch, d, 1), d**-0.5)]
    for _ in range(6):
        states.append(W @ states[-1])
    s = np.stack(states, axis=1)[..., 0]
    errors = ((predict(s[:, :-1], s[:, 1:]) - s[:, 1:]) ** 2).mean((0, 2))
    np.testing.assert_allclose(errors, [0.2, 0.161, 0.120, 0.082, 0.040, 0.0], atol=0.003)


def test_a_prompt_that_is_not_finite_spoils_no_other():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 8, 3)), rng.normal(size=(2, 8, 1))
    whole = predict(x, y)
    x[0, 4] = np.inf
    spoilt = predict(x, y)
    np.testing.assert_array_equal(spoilt[1], whole[1])
    np.testing.assert_array_equal(spoilt[0, :4], whole[0, :4])
    assert np.isnan(spoilt[0, 5:]).all()

"""The laws of the regression families, against closed forms and independent computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iclbench.kernels.named import inner_product_kernel
from iclbench.streams import stream
from iclbench.tasks.linear_posterior import linear_posterior_predictions
from iclbench.tasks.regression.gaussian_process import GaussianProcess
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.tasks.regression.recall import Recall
from iclbench.tasks.regression.relu_network import ReluNetwork


def gaussian_process(kind: str, **settings) -> GaussianProcess:
    return GaussianProcess.model_validate(
        {"kind": "gaussian_process", "kernel": {"kind": kind}, **settings}
    )


def standard_errors(samples: np.ndarray) -> np.ndarray:
    return samples.std(0, ddof=1) / np.sqrt(len(samples))


def made_positive(gram: np.ndarray) -> np.ndarray:
    eigenvalues, V = np.linalg.eigh(gram)
    return (V * np.abs(eigenvalues)[..., None, :]) @ V.mT


@pytest.mark.parametrize("condition", [1.0, 100.0])
def test_inputs_have_the_stated_covariance(condition: float):
    family = LinearRegression(kind="linear", dim=4, condition=condition)
    prompts = family.sample(stream("covariance", int(condition)), 3000, 6)
    Sigma = prompts.truth.get("covariance", np.broadcast_to(np.eye(4), (3000, 4, 4)))
    np.testing.assert_allclose(np.trace(Sigma, axis1=1, axis2=2), 4)
    spectrum = np.linalg.eigvalsh(Sigma)
    np.testing.assert_allclose(spectrum[:, -1] / spectrum[:, 0], condition, rtol=1e-9)
    np.testing.assert_allclose(spectrum[:, 2:] / spectrum[:, 3:], 1, rtol=1e-9)
    x = prompts.inputs
    gaps = np.einsum("bti,btj->bij", x, x) / 6 - Sigma
    assert (np.abs(gaps.mean(0)) <= 4.5 * standard_errors(gaps)).all()
    whitened = np.einsum("bti,bij,btj->bt", x, np.linalg.inv(Sigma), x).mean(1)
    assert abs(whitened.mean() - 4) <= 4 * standard_errors(whitened)


def test_fu_s_ill_conditioned_eigenvalues():
    prompts = LinearRegression(kind="linear", dim=20, condition=100).sample(stream("fu"), 2, 1)
    spectrum = np.linalg.eigvalsh(prompts.truth["covariance"])
    np.testing.assert_allclose(spectrum[:, :10], 0.0198, atol=1e-4)
    np.testing.assert_allclose(spectrum[:, 10:], 1.980, atol=1e-3)


def test_each_prompt_has_its_own_eigenbasis():
    prompts = LinearRegression(kind="linear", dim=3, condition=9).sample(stream("bases"), 2, 1)
    first, second = prompts.truth["covariance"]
    assert np.abs(first - second).max() > 0.01


def test_sparse_weights_keep_the_stated_number_of_coordinates_anywhere():
    family = LinearRegression(kind="linear", dim=6, nonzeros=2)
    prompts = family.sample(stream("sparse"), 2000, 3)
    kept = prompts.truth["w"] != 0
    assert (kept.sum(-1) == 2).all()
    assert (np.abs(kept.mean(0) - 1 / 3) <= 4 * standard_errors(kept)).all()
    np.testing.assert_allclose(
        prompts.clean[..., 0], np.einsum("btd,bd->bt", prompts.inputs, prompts.truth["w"])
    )
    assert family.bayes(prompts) is None


def test_noise_changes_nothing_else_of_linear_regression():
    quiet, loud = (
        LinearRegression(kind="linear", dim=3, noise=noise).sample(stream("noise"), 4, 6)
        for noise in (0.0, 2.0)
    )
    np.testing.assert_array_equal(quiet.inputs, loud.inputs)
    np.testing.assert_array_equal(quiet.clean, loud.clean)


def test_least_squares_error_is_one_minus_t_over_d():
    """Claim G02: the normalised error of least squares after t < d pairs is 1 - t/d."""
    dim = 8
    family = LinearRegression(kind="linear", dim=dim)
    prompts = family.sample(stream("least squares"), 4000, dim + 4)
    errors = ((family.bayes(prompts) - prompts.outputs)[..., 0] ** 2) / dim
    expected = np.maximum(0, 1 - np.arange(dim + 4) / dim)
    assert (np.abs(errors.mean(0) - expected) <= 3.5 * standard_errors(errors) + 1e-12).all()
    assert errors[:, dim:].max() < 1e-12


@settings(deadline=None, max_examples=20)
@given(
    dim=st.integers(1, 6),
    length=st.integers(1, 12),
    value_dim=st.integers(1, 3),
    noise=st.sampled_from([0.0, 1e-3, 0.1, 1.0, 10.0]),
    repeat=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_linear_posterior_is_ridge_regression_at_every_prefix(
    dim: int, length: int, value_dim: int, noise: float, repeat: bool, seed: int
):
    rng = stream("posterior", seed)
    x = rng.standard_normal((2, length, dim))
    if repeat:  # linearly dependent prefixes, an input of zero among them
        x[:, 1::3] = x[:, :1]
        x[:, 2::3] = 0
    y = x @ rng.standard_normal((2, dim, value_dim)) + noise * rng.standard_normal(
        (2, length, value_dim)
    )
    predictions = linear_posterior_predictions(x, y, noise)
    for b in range(2):
        for t in range(length):
            past = np.concatenate([x[b, :t], noise * np.eye(dim)])
            labels = np.concatenate([y[b, :t], np.zeros((dim, value_dim))])
            expected = x[b, t] @ np.linalg.lstsq(past, labels, rcond=1e-10)[0]
            np.testing.assert_allclose(predictions[b, t], expected, rtol=1e-5, atol=1e-6)


def test_noisy_bayes_error_falls_towards_the_noise_and_beats_least_squares():
    family = LinearRegression(kind="linear", dim=4, noise=1.0)
    prompts = family.sample(stream("noisy"), 2000, 30)
    bayes = ((family.bayes(prompts) - prompts.outputs)[..., 0] ** 2).mean(0)
    plain = linear_posterior_predictions(prompts.inputs, prompts.outputs)
    least_squares = ((plain - prompts.outputs)[..., 0] ** 2).mean(0)
    assert (bayes[1:] < least_squares[1:]).all()
    assert 1 < bayes[-5:].mean() < 1.4


@pytest.mark.parametrize("kind", ["linear", "relu", "exponential"])
@pytest.mark.parametrize("scale", [0.2, 1.0])
def test_gram_matrix_is_the_kernel_s(kind: str, scale: float):
    family = gaussian_process(kind, kernel={"kind": kind, "scale": scale})
    x = family.sample(stream("gram"), 3, 7).inputs
    points = torch.from_numpy(x)
    expected = inner_product_kernel(kind, scale=scale).gram(points, points).numpy()
    np.testing.assert_allclose(family.gram(x), expected, rtol=1e-13, atol=1e-15)


def test_inputs_are_ellipsoidal_and_the_ellipsoid_is_that_of_its_seed():
    family = gaussian_process("linear", covariance_seed=3)
    root = family.covariance_root
    np.testing.assert_allclose(root, root.T, atol=1e-15)
    np.testing.assert_allclose(np.linalg.eigvalsh(root @ root), [0.25, 1, 1, 1, 2.25])
    x = family.sample(stream("ellipsoid"), 2000, 3).inputs
    np.testing.assert_allclose(np.linalg.norm(x @ np.linalg.inv(root), axis=-1), 1)
    gaps = np.einsum("bti,btj->bij", x, x) / 3 - root @ root / 5
    assert (np.abs(gaps.mean(0)) <= 4.5 * standard_errors(gaps)).all()
    assert np.abs(root - gaussian_process("linear", covariance_seed=4).covariance_root).max() > 0.01


@pytest.mark.parametrize("kind", ["linear", "relu", "exponential"])
def test_labels_have_the_kernel_as_covariance(kind: str):
    """Up to four points, where relu Gram matrices are positive but for one in 300."""
    family = gaussian_process(kind)
    prompts = family.sample(stream("labels", kind), 6000, 4)
    y = prompts.outputs
    gaps = y @ y.mT - made_positive(family.gram(prompts.inputs))
    assert (np.abs(gaps.mean(0)) <= 4.5 * standard_errors(gaps)).all()
    assert abs(y.mean()) <= 4 * standard_errors(y.mean((1, 2)))


BAYES_LOSSES = {
    "linear": {2: 0.580, 4: 0.157, 6: 0, 8: 0},
    "relu": {2: 0.837, 4: 0.616, 6: 0.400, 8: 0.287, 10: 0.220, 12: 0.177, 14: 0.156},
    "exponential": {2: 2.22, 4: 1.71, 6: 1.39, 8: 1.13, 10: 0.943, 12: 0.809, 14: 0.689},
}


@pytest.mark.parametrize("kind", BAYES_LOSSES)
def test_bayes_losses_are_the_reference_values(kind: str):
    """Claim B05, arXiv 2312.06528, at every position of one prompt of 15 pairs."""
    family = gaussian_process(kind)
    prompts = family.sample(stream("bayes losses", kind), 4000, 15)
    _, variances = family.conditionals(prompts.inputs)
    squares = (family.bayes(prompts) - prompts.outputs)[..., 0] ** 2
    for n, expected in BAYES_LOSSES[kind].items():
        assert variances[:, n].mean() == pytest.approx(expected, rel=0.05, abs=1e-8)
    gaps = squares - variances
    assert (np.abs(gaps.mean(0)) <= 4 * standard_errors(gaps) + 1e-8).all()


@pytest.mark.parametrize("kind", ["relu", "exponential"])
def test_conditionals_are_those_of_the_gram_matrix_of_each_prefix(kind: str):
    family = gaussian_process(kind)
    prompts = family.sample(stream("conditionals"), 20, 9)
    predictions = family.bayes(prompts)
    _, variances = family.conditionals(prompts.inputs)
    for t in range(1, 9):
        K = made_positive(family.gram(prompts.inputs[:, : t + 1]))
        weights = np.linalg.solve(K[:, :t, :t], K[:, :t, t:])
        mean = (weights.mT @ prompts.outputs[:, :t])[:, 0]
        variance = K[:, t, t] - (weights.mT @ K[:, :t, t:])[:, 0, 0]
        np.testing.assert_allclose(predictions[:, t], mean, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(variances[:, t], variance, rtol=1e-7, atol=1e-9)


def test_linear_kernel_regression_is_least_squares_of_minimum_norm():
    family = gaussian_process("linear")
    prompts = family.sample(stream("duality"), 50, 12)
    expected = linear_posterior_predictions(prompts.inputs, prompts.outputs)
    # The Gram matrix squares the condition of the inputs seen, at every position: judge the others.
    spectra = [np.linalg.svd(prompts.inputs[:, :t])[1] for t in range(1, 12)]
    worst = np.max([values[:, 0] / values[:, -1] for values in spectra], axis=0)
    assert (worst < 100).sum() > 25
    difference = np.abs(family.bayes(prompts) - expected)[worst < 100]
    assert difference.max() < 1e-9


@pytest.mark.parametrize("kind", ["linear", "relu", "exponential"])
def test_a_repeated_input_has_its_label_again(kind: str):
    family = gaussian_process(kind, spectrum=(1.0,))
    prompts = family.sample(stream("repeated"), 8, 10)
    x, y = prompts.inputs[..., 0], prompts.outputs[..., 0]
    for inputs, labels in zip(x, y, strict=True):
        for side in (inputs > 0, inputs < 0):
            np.testing.assert_allclose(labels[side], labels[side][:1].repeat(side.sum()), atol=1e-6)


@pytest.mark.parametrize("value_dim", [1, 3])
def test_recall_shows_every_key_once_and_then_repeats_them(value_dim: int):
    family = Recall(kind="recall", dim=4, keys=5, value_dim=value_dim)
    prompts = family.sample(stream("recall"), 500, 20)
    keys, values, choices = (prompts.truth[name] for name in ("keys", "values", "choices"))
    for b in range(20):
        np.testing.assert_array_equal(np.sort(choices[b, :5]), np.arange(5))
        np.testing.assert_array_equal(prompts.inputs[b], keys[b, choices[b]])
        np.testing.assert_array_equal(prompts.outputs[b], values[b, choices[b]])
    counts = np.stack([(choices[:, 5:] == k).mean(1) for k in range(5)], -1)
    assert (np.abs(counts.mean(0) - 0.2) <= 4 * standard_errors(counts)).all()
    predictions = family.bayes(prompts)
    np.testing.assert_array_equal(predictions[:, 5:], prompts.outputs[:, 5:])
    assert (predictions[:, :5] == 0).all()


def test_relu_network_is_the_stated_function():
    prompts = ReluNetwork(kind="relu_network", dim=3, hidden=7).sample(stream("network"), 4, 5)
    for b in range(4):
        W1, W2 = prompts.truth["W1"][b], prompts.truth["W2"][b]
        for x, y in zip(prompts.inputs[b], prompts.outputs[b], strict=True):
            assert y[0] == pytest.approx(np.sqrt(2 / 7) * W2 @ np.maximum(W1 @ x, 0))

"""The laws of the autoregressive families, recomputed independently of how they are drawn."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm, solve_triangular

from iclbench.streams import stream
from iclbench.tasks.dynamics.commuting_orthogonal import CommutingOrthogonal
from iclbench.tasks.dynamics.commuting_unitary import CommutingUnitary
from iclbench.tasks.dynamics.concentrated import Concentrated
from iclbench.tasks.dynamics.haar import Haar
from iclbench.tasks.dynamics.linear import LinearDynamics
from iclbench.tasks.dynamics.network import Network
from iclbench.tasks.dynamics.periodic import Periodic
from iclbench.tasks.dynamics.rkhs import Rkhs
from iclbench.tasks.dynamics.rotation import Rotation
from iclbench.tasks.prompts import Prompts


def complex_states(states: np.ndarray) -> np.ndarray:
    return states[..., ::2] + 1j * states[..., 1::2]


def standard_error(samples: np.ndarray) -> float:
    return float(samples.std(ddof=1) / np.sqrt(len(samples)))


def one_gradient_step(states: np.ndarray, eta: float) -> np.ndarray:
    """Return eta sum_{s<t} s_{s+1} <s_s, s_t> at every position t, complex or real."""
    gram = np.einsum("bsd,btd->bts", states.conj(), states)
    return eta * np.tril(gram, -1)[..., :-1] @ states[:, 1:]


def kaczmarz_errors(prompts: Prompts, beta: float) -> np.ndarray:
    """Return y_t - u_t of one pass of exponential-kernel Kaczmarz, by a triangular solve."""
    errors = np.empty_like(prompts.outputs)
    for x, y, error in zip(prompts.inputs, prompts.outputs, errors, strict=True):
        gram = np.exp(beta * x @ x.T)
        coefficients = solve_triangular(np.tril(gram), y, lower=True)
        error[:] = np.diag(gram)[:, None] * coefficients
    return errors


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_haar_matrices_are_orthogonal_of_both_determinants_and_map_each_state_to_the_next(dim: int):
    prompts = Haar(kind="haar", dim=dim).sample(stream("haar", dim), 400, 12)
    W = prompts.truth["W"]
    np.testing.assert_allclose(W @ W.mT, np.broadcast_to(np.eye(dim), W.shape), atol=1e-13)
    np.testing.assert_allclose(prompts.inputs[:, 0], dim**-0.5)
    np.testing.assert_allclose(prompts.outputs, prompts.inputs @ W.mT, atol=1e-13)
    signs = np.linalg.det(W)
    assert abs(signs.mean()) < 4 / np.sqrt(400)
    assert abs((W[:, 0, 0] ** 2).mean() - 1 / dim) <= 4 * standard_error(W[:, 0, 0] ** 2)


def test_haar_gradient_step_and_least_squares_err_as_published_data_say():
    """Per-element errors over 50 positions, d = 5: 0.0876 for one step, 0.2 … 0.040, 0 for LS."""
    family = Haar(kind="haar", dim=5)
    prompts = family.sample(stream("haar", "step"), 3000, 50)
    states = np.concatenate([prompts.inputs, prompts.outputs[:, -1:]], 1)
    step = one_gradient_step(states, 0.0756)[:, :-1]
    errors = ((step - prompts.outputs) ** 2).mean((1, 2))
    assert errors.mean() == pytest.approx(0.0876, abs=4 * standard_error(errors) + 5e-4)
    by_position = ((family.bayes(prompts) - prompts.outputs) ** 2).mean((0, 2))
    np.testing.assert_allclose(by_position[:5], [0.2, 0.161, 0.120, 0.082, 0.040], atol=0.004)
    assert by_position[5:].max() < 1e-18


def test_commuting_orthogonal_is_the_paper_s_complex_form_in_a_real_basis():
    family = CommutingOrthogonal(kind="commuting_orthogonal", dim=6)
    prompts = family.sample(stream("orthogonal"), 5, 20)
    mu = np.exp(1j * prompts.truth["angles"])
    eigenvalues = np.stack([mu, mu.conj()], -1).reshape(5, 6)
    paper = np.stack([eigenvalues**t for t in range(20)], 1)
    pair = np.array([[1, 1], [-1j, 1j]]) / np.sqrt(2)
    basis = np.kron(np.eye(3), pair)
    np.testing.assert_allclose(basis @ basis.conj().T, np.eye(6), atol=1e-15)
    np.testing.assert_allclose(paper @ basis.T, prompts.inputs, atol=1e-12)
    gram = paper @ paper.conj().mT
    np.testing.assert_allclose(prompts.inputs @ prompts.inputs.mT, gram, atol=1e-12)


def test_commuting_orthogonal_obeys_the_three_term_recurrence():
    prompts = CommutingOrthogonal(kind="commuting_orthogonal", dim=4).sample(stream("cos"), 9, 30)
    twice_cosine = 2 * np.repeat(np.cos(prompts.truth["angles"]), 2, axis=-1)[:, None]
    x, y = prompts.inputs, prompts.outputs
    np.testing.assert_allclose(y[:, 1:], twice_cosine * x[:, 1:] - x[:, :-1], atol=1e-12)


def test_commuting_unitary_multiplies_by_eigenvalues_on_the_circle():
    prompts = CommutingUnitary(kind="commuting_unitary", dim=3).sample(stream("unitary"), 300, 40)
    eigenvalues = np.exp(1j * prompts.truth["angles"])[:, None]
    x, y = complex_states(prompts.inputs), complex_states(prompts.outputs)
    np.testing.assert_allclose(y, eigenvalues * x, atol=1e-12)
    np.testing.assert_array_equal(x[:, 0], 1)
    assert np.abs(eigenvalues.mean()) < 4 / np.sqrt(eigenvalues.size)


def test_commuting_unitary_gradient_step_errs_by_the_closed_form():
    """E|err|^2 = d ((eta (T-1) - 1)^2 + (d-1) eta^2 (T-1)), arXiv 2402.05787, derived."""
    dim, longest = 5, 20
    family = CommutingUnitary(kind="commuting_unitary", dim=dim)
    prompts = family.sample(stream("unitary", "step"), 2000, longest)
    states = complex_states(np.concatenate([prompts.inputs, prompts.outputs[:, -1:]], 1))
    eta = 3 / (2 * longest + 3 * dim - 4)
    errors = np.abs(one_gradient_step(states, eta)[:, :-1] - states[:, 1:]) ** 2
    T = np.arange(1, longest + 1)
    expected = dim * ((eta * (T - 1) - 1) ** 2 + (dim - 1) * eta**2 * (T - 1))
    totals = errors[:, 1:].sum((1, 2))
    assert expected[1:].sum() == pytest.approx(39.1176, abs=1e-4)
    assert totals.mean() == pytest.approx(39.1176, abs=4 * standard_error(totals))


@pytest.mark.parametrize("mu", [1, 2, 50])
def test_concentrated_eigenvalues_have_the_stated_mean(mu: float):
    family = Concentrated(kind="concentrated", mu=mu)
    prompts = family.sample(stream("concentrated"), 4000, 3)
    angles = prompts.truth["angles"][:, 0]
    assert angles.min() >= 0
    assert angles.max() < 2 * np.pi / mu
    first = complex_states(prompts.outputs)[:, 0, 0]
    predicted = complex_states(family.bayes(prompts))[0, 0, 0]
    np.testing.assert_allclose(
        predicted, mu * (np.exp(2j * np.pi / mu) - 1) / (2j * np.pi), atol=1e-14
    )
    for part in (np.real(first - predicted), np.imag(first - predicted)):
        assert abs(part.mean()) <= 4 * standard_error(part)


@settings(deadline=None, max_examples=15)
@given(
    dim=st.integers(1, 8),
    radius=st.floats(0.1, 1.0),
    noise=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 2**32),
)
def test_linear_dynamics_have_their_radius_and_noise(
    dim: int, radius: float, noise: float, seed: int
):
    family = LinearDynamics(kind="linear", dim=dim, radius=radius, noise=noise)
    prompts = family.sample(stream("linear", seed), 50, 20)
    W = prompts.truth["W"]
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(W)).max(-1), radius, rtol=1e-9)
    np.testing.assert_allclose(prompts.clean, prompts.inputs @ W.mT, atol=1e-12)
    np.testing.assert_allclose((prompts.inputs[:, 0] ** 2).sum(-1), 1)
    squares = (prompts.outputs - prompts.clean).ravel() ** 2
    assert abs(squares.mean() - noise**2) <= 6 * standard_error(squares)


def test_noise_changes_nothing_else_of_linear_dynamics():
    quiet, loud = (
        LinearDynamics(kind="linear", dim=3, noise=noise).sample(stream("noise"), 4, 6)
        for noise in (0.0, 1.0)
    )
    np.testing.assert_array_equal(quiet.truth["W"], loud.truth["W"])
    np.testing.assert_array_equal(quiet.inputs[:, 0], loud.inputs[:, 0])


@settings(deadline=None, max_examples=15)
@given(dim=st.integers(2, 6), period=st.integers(2, 9), length=st.integers(1, 30))
def test_periodic_sequences_return_after_their_period_and_not_before(
    dim: int, period: int, length: int
):
    family = Periodic(kind="periodic", dim=dim, period=period)
    prompts = family.sample(stream("periodic"), 6, length)
    x = prompts.inputs
    np.testing.assert_array_equal(x[:, period:], x[:, :-period] if length > period else x[:, :0])
    distances = np.linalg.norm(x[:, :period, None] - x[:, None, :period], axis=-1)
    assert (distances[:, ~np.eye(min(period, length), dtype=bool)] > 1e-6).all()
    errors = np.abs(family.bayes(prompts) - prompts.outputs)
    assert errors[:, period - 1 :].sum() == 0
    assert (family.bayes(prompts)[:, : period - 1] == 0).all()


def test_rotation_is_the_stated_map():
    family = Rotation(kind="rotation", dim=4)
    prompts = family.sample(stream("rotation"), 3, 10)
    for b in range(3):
        Omega, W1, W2 = (prompts.truth[name][b] for name in ("Omega", "W1", "W2"))
        assert W1.shape == (16, 4)
        for x, y in zip(prompts.inputs[b], prompts.outputs[b], strict=True):
            image = Omega @ x + 0.3 * np.tanh(W2 @ np.maximum(W1 @ x, 0) / 4)
            np.testing.assert_allclose(y, image / np.linalg.norm(image), atol=1e-13)


def test_rotation_without_strength_is_orthogonal():
    prompts = Rotation(kind="rotation", dim=3, strength=0).sample(stream("rigid"), 4, 10)
    images = prompts.inputs @ prompts.truth["Omega"].mT
    np.testing.assert_allclose(prompts.outputs, images, atol=1e-13)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_network_is_the_stated_map_and_keeps_moving(activation: Literal["tanh", "relu"]):
    family = Network(kind="network", dim=5, activation=activation)
    prompts = family.sample(stream("network", activation), 300, 50)
    act = np.tanh if activation == "tanh" else lambda z: np.maximum(z, 0)
    W1, W2 = prompts.truth["W1"], prompts.truth["W2"]
    np.testing.assert_allclose(W2.sum(-1), 0, atol=1e-12)
    images = act(3 * prompts.inputs @ W1.mT) @ W2.mT
    images /= np.linalg.norm(images, axis=-1, keepdims=True)
    np.testing.assert_allclose(prompts.outputs, images, atol=1e-11)
    steps = np.linalg.norm(prompts.outputs[:, -1] - prompts.outputs[:, -2], axis=-1)
    assert (steps > 0.01).mean() > 0.7


def test_network_that_vanishes_stays_where_it_is():
    prompts = Network(kind="network", dim=5, activation="relu", hidden=2).sample(
        stream("vanishing"), 200, 10
    )
    dead = ~(prompts.inputs @ prompts.truth["W1"].mT > 0).any(-1)
    assert dead.any()
    np.testing.assert_allclose(prompts.outputs[dead], prompts.inputs[dead], atol=1e-15)


@pytest.mark.parametrize(("dim", "centres"), [(2, 1), (5, 1), (5, 4)])
def test_rkhs_map_rotates_by_angles_of_the_state(dim: int, centres: int):
    family = Rkhs(kind="rkhs", dim=dim, strength=2.0, centres=centres)
    prompts = family.sample(stream("rkhs", dim), 3, 8)
    generator = np.zeros((dim, dim))
    for i in range(0, dim - 1, 2):
        generator[i + 1, i], generator[i, i + 1] = 1, -1
    for b in range(3):
        (first, *Q), v = prompts.truth["Q"][b], prompts.truth["v"][b]
        for x, y in zip(prompts.inputs[b], prompts.outputs[b], strict=True):
            turned = first @ x
            for q, angle in zip(Q, 2.0 * (v @ x) / np.sqrt(centres), strict=True):
                turned = q @ expm(angle * generator) @ turned
            np.testing.assert_allclose(y, turned, atol=1e-12)


def interpolation_norms(prompts: Prompts, beta: float) -> np.ndarray:
    """Return the squared RKHS norm of the smoothest function through a prompt's pairs."""
    eigenvalues, V = np.linalg.eigh(np.exp(beta * prompts.inputs @ prompts.inputs.mT))
    inverse = np.where(eigenvalues > 1e-9, 1 / np.abs(eigenvalues), 0)
    return (inverse[..., None] * (V.mT @ prompts.outputs) ** 2).sum((1, 2))


@pytest.mark.parametrize(
    ("centres", "strength", "beta"),
    [(1, 0.5, 1.0), (1, 1.0, 1.0), (1, 2.0, 2.0), (2, 0.5, 1.0), (2, 1.0, 2.0), (3, 0.5, 1.0)],
)
def test_rkhs_map_is_in_the_rkhs_with_the_stated_norm(centres: int, strength: float, beta: float):
    """Through values of f goes a function of norm |f|; Kaczmarz' errors sum to at most |f|^2."""
    family = Rkhs(kind="rkhs", dim=5, strength=strength, centres=centres)
    prompts = family.sample(stream("norm"), 6, 120)
    z = centres * strength**2 / beta
    bound = 3 ** (centres - 1) * 5 * (1 + z) * np.exp(z) / beta
    errors = kaczmarz_errors(prompts, beta)
    assert ((errors**2).sum((1, 2)) / np.exp(beta)).max() <= bound
    assert interpolation_norms(prompts, beta).max() <= bound
    kinked = Rotation(kind="rotation", dim=5).sample(stream("norm"), 6, 120)
    assert interpolation_norms(kinked, beta).max() > 10 * bound


@pytest.mark.parametrize(
    "family", [Rotation(kind="rotation", dim=5), Rkhs(kind="rkhs", dim=5)], ids=lambda f: f.kind
)
def test_nonlinear_maps_are_learnt_by_exponential_kernel_descent(family: Rotation | Rkhs):
    errors = np.linalg.norm(
        kaczmarz_errors(family.sample(stream("learnt"), 24, 200), beta=1.0), axis=-1
    )
    early, late = errors[:, 10:20].mean(), errors[:, 190:].mean()
    assert late < 0.5 * early

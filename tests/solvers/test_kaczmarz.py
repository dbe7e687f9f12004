from __future__ import annotations

import numpy as np
import pytest
import torch

from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.kaczmarz import Kaczmarz
from iclbench.solvers.kaczmarz_cyclic import CyclicKaczmarz
from iclbench.solvers.kaczmarz_randomised import RandomisedKaczmarz
from iclbench.solvers.online_gradient_descent import OnlineGradientDescent


def haar(rng: np.random.Generator, d: int) -> np.ndarray:
    Q, R = np.linalg.qr(rng.standard_normal((d, d)))
    return Q * np.sign(np.diag(R))


def sphere(rng: np.random.Generator, *shape: int) -> np.ndarray:
    points = rng.standard_normal(shape)
    return points / np.linalg.norm(points, axis=-1, keepdims=True)


def regression(seed: int, *, batch: int = 3, time: int = 12, p: int = 4, q: int = 2):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((batch, time, p)), rng.standard_normal((batch, p, q))
    return x, x @ w


def predict(method, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return method.predict(torch.from_numpy(x), torch.from_numpy(y)).numpy()


def pass_in_feature_space(x: np.ndarray, y: np.ndarray, order, W=None) -> np.ndarray:
    W = np.zeros((y.shape[1], x.shape[1])) if W is None else W
    for s in order:
        W = W + np.outer(y[s] - W @ x[s], x[s]) / (x[s] @ x[s])
    return W


def test_linear_pass_is_the_loop_in_feature_space() -> None:
    x, y = regression(0)
    found = predict(Kaczmarz(kind="kaczmarz"), x, y)[0]
    for b in range(3):
        for t in range(12):
            W = pass_in_feature_space(x[b], y[b], range(t))
            np.testing.assert_allclose(found[b, t], W @ x[b, t], atol=1e-10)


@pytest.mark.parametrize("kind", ["linear", "relu", "exponential"])
def test_kernel_pass_is_the_loop_over_coefficients(kind) -> None:
    kernel = {
        "linear": lambda u, v: 0.7 * u @ v,
        "relu": lambda u, v: max(0.0, 0.7 * u @ v),
        "exponential": lambda u, v: np.exp(0.7 * u @ v),
    }[kind]
    rng = np.random.default_rng(1)
    x, y = sphere(rng, 1, 15, 4), rng.standard_normal((1, 15, 2))
    found = predict(Kaczmarz(kind="kaczmarz", kernel=inner_product_kernel(kind, scale=0.7)), x, y)[
        0, 0
    ]
    coefficients = []
    for t in range(15):
        f = sum((a * kernel(x[0, s], x[0, t]) for s, a in enumerate(coefficients)), np.zeros(2))
        np.testing.assert_allclose(found[t], f, atol=1e-11)
        coefficients.append((y[0, t] - f) / kernel(x[0, t], x[0, t]))


def test_linear_pass_is_online_gradient_descent_of_normalised_step() -> None:
    x, y = regression(2)
    online = predict(OnlineGradientDescent(kind="online_gradient_descent"), x, y)
    np.testing.assert_allclose(predict(Kaczmarz(kind="kaczmarz"), x, y), online, atol=1e-10)


def test_error_on_a_rotation_is_known_exactly() -> None:
    # E6 (derived): |u_t - x_{t+1}| = |M^{t-1} x_1|, M = (I - x_1 x_1^T) Omega.
    rng = np.random.default_rng(3)
    for _ in range(5):
        Omega, first = haar(rng, 5), sphere(rng, 5)
        states = [first]
        for _ in range(40):
            states.append(Omega @ states[-1])
        s = np.array(states)[None]
        found = predict(Kaczmarz(kind="kaczmarz"), s[:, :-1], s[:, 1:])[0, 0]
        M = (np.eye(5) - np.outer(first, first)) @ Omega
        law = [np.linalg.norm(np.linalg.matrix_power(M, t) @ first) for t in range(40)]
        np.testing.assert_allclose(np.linalg.norm(found - s[0, 1:], axis=-1), law, atol=1e-12)


def periodic(rng: np.random.Generator, tau: int, periods: int) -> tuple[np.ndarray, np.ndarray]:
    points = sphere(rng, tau, 5)
    s = np.tile(points, (periods + 1, 1))[: tau * periods + 1]
    return points, s[None]


def test_a_period_is_a_sweep_of_gauss_seidel() -> None:
    # E7 (derived): with a constant diagonal errors go over into L^{-1} (L - K) errors, so that they
    # fall at the rate of its spectral radius, period by period where that eigenvalue is real.
    rng = np.random.default_rng(4)
    method = Kaczmarz(kind="kaczmarz", kernel=inner_product_kernel("exponential"))
    rates = 0
    for _ in range(40):
        points, s = periodic(rng, 4, 14)
        K = np.exp(points @ points.T)
        L = np.tril(K)
        sweep = np.linalg.solve(L, L - K)
        error = (predict(method, s[:, :-1], s[:, 1:])[0, 0] - s[0, 1:]).reshape(14, 4, 5)
        np.testing.assert_allclose(error[1:], sweep @ error[:-1], atol=1e-12)
        values = np.linalg.eigvals(sweep)
        values = values[np.abs(values).argsort()]
        if (
            0.2 < values[-1].real < 0.7
            and values[-1].imag == 0
            and abs(values[-2]) < 0.65 * values[-1].real
        ):
            sizes = np.linalg.norm(error, axis=(1, 2))
            assert sizes[11] / sizes[10] == pytest.approx(values[-1].real, rel=0.02)
            rates += 1
    assert rates >= 5


def test_cyclic_sweeps_are_the_loop() -> None:
    x, y = regression(5, time=7)
    found = predict(CyclicKaczmarz(kind="kaczmarz_cyclic", sweeps=(0, 1, 2, 5)), x, y)
    for k, sweeps in enumerate((0, 1, 2, 5)):
        for b in range(3):
            for t in range(7):
                W = pass_in_feature_space(x[b], y[b], list(range(t)) * sweeps)
                np.testing.assert_allclose(found[k, b, t], W @ x[b, t], atol=1e-12)


def test_first_sweep_is_the_pass_in_time() -> None:
    x, y = regression(6)
    cyclic = predict(CyclicKaczmarz(kind="kaczmarz_cyclic", sweeps=(1,)), x, y)
    np.testing.assert_allclose(cyclic, predict(Kaczmarz(kind="kaczmarz"), x, y), atol=1e-10)


def test_cyclic_sweeps_are_gauss_seidel_on_the_gram_matrix() -> None:
    x, y = regression(7, batch=1)
    seen = slice(0, 11)
    K = x[0, seen] @ x[0, seen].T
    alpha = np.zeros((11, 2))
    for sweep in range(1, 6):
        alpha = np.linalg.solve(np.tril(K), y[0, seen] - np.triu(K, 1) @ alpha)
        found = predict(CyclicKaczmarz(kind="kaczmarz_cyclic", sweeps=(sweep,)), x, y)[0, 0, 11]
        np.testing.assert_allclose(found, x[0, 11] @ x[0, seen].T @ alpha, atol=1e-10)


def test_passing_over_a_period_again_is_a_cyclic_sweep() -> None:
    rng = np.random.default_rng(8)
    points, targets = rng.standard_normal((1, 5, 3)), rng.standard_normal((1, 5, 2))
    query = rng.standard_normal((1, 1, 3))
    nothing = np.zeros((1, 1, 2))
    once = np.concatenate([points, query], 1), np.concatenate([targets, nothing], 1)
    for n in (1, 2, 4):
        many = (
            np.concatenate([np.tile(points, (1, n, 1)), query], 1),
            np.concatenate([np.tile(targets, (1, n, 1)), nothing], 1),
        )
        cyclic = predict(CyclicKaczmarz(kind="kaczmarz_cyclic", sweeps=(n,)), *once)[0, 0, -1]
        np.testing.assert_allclose(
            cyclic, predict(Kaczmarz(kind="kaczmarz"), *many)[0, 0, -1], atol=1e-10
        )


@pytest.mark.parametrize(
    "method",
    [
        CyclicKaczmarz(kind="kaczmarz_cyclic", sweeps=(2000,)),
        RandomisedKaczmarz(kind="kaczmarz_randomised", iterations=(4000,)),
    ],
    ids=lambda method: method.kind,
)
def test_consistent_pairs_lead_to_the_least_squares_of_minimum_norm(method) -> None:
    x, y = regression(9, time=8)
    found = predict(method, x, y)[0]
    for t in range(1, 8):
        w = np.linalg.pinv(x[:, :t]) @ y[:, :t]
        np.testing.assert_allclose(found[:, t], np.einsum("bp,bpq->bq", x[:, t], w), atol=1e-2)
    np.testing.assert_allclose(found[:, 7], y[:, 7], atol=1e-2)


def test_pairs_are_drawn_by_their_squared_norm() -> None:
    # After one step W = y_s x_s^T / |x_s|^2: an orthogonal basis scaled tells s, prompt by prompt.
    scales = np.array([1.0, 2.0, 3.0])
    x = np.concatenate([np.diag(scales), np.ones((1, 3))])[None]
    y = np.array([[[1.0], [2.0], [3.0], [0.0]]]) * np.array([1.0, 10.0, 100.0, 0])[None, :, None]
    draws = []
    for seed in range(600):
        method = RandomisedKaczmarz(kind="kaczmarz_randomised", iterations=(1,), seed=seed)
        draws.append(round(np.log10(predict(method, x, y)[0, 0, 3, 0])))
    shares = np.bincount(draws, minlength=3) / 600
    expected = scales**2 / (scales**2).sum()
    np.testing.assert_allclose(shares, expected, atol=4 * np.sqrt(0.25 / 600))


def test_expected_error_falls_as_strohmer_and_vershynin_say() -> None:
    # E|W_n - W|^2 <= (1 - l_min / tr S)^n |W|^2, averaged over seeds; the query reads one weight.
    rng = np.random.default_rng(10)
    x, w = rng.standard_normal((1, 13, 4)), rng.standard_normal((1, 4, 1))
    x = np.repeat(x, 4, 0)
    x[:, 12] = np.eye(4)
    y = x @ w
    S = x[0, :12].T @ x[0, :12]
    factor = 1 - np.linalg.eigvalsh(S)[0] / np.trace(S)
    squares = [
        (predict(method, x, y)[:, :, 12] - y[:, 12]) ** 2
        for method in (
            RandomisedKaczmarz(kind="kaczmarz_randomised", iterations=(5, 20, 50), seed=seed)
            for seed in range(150)
        )
    ]
    error = np.mean(squares, axis=0).sum((1, 2))
    for n, e in zip((5, 20, 50), error, strict=True):
        assert e <= 1.1 * factor**n * (w**2).sum()

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iclbench.solvers.conjugate_gradient import ConjugateGradient
from iclbench.solvers.gradient_descent import GradientDescent


def predict(method, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return method.predict(torch.from_numpy(x), torch.from_numpy(y)).numpy()


def conjugate(*iterations: int) -> ConjugateGradient:
    return ConjugateGradient(kind="conjugate_gradient", iterations=iterations)


def regression(seed: int, *, batch: int = 3, time: int = 14, p: int = 5, q: int = 2):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((batch, time, p)), rng.standard_normal((batch, p, q))
    return x, x @ w + 0.1 * rng.standard_normal((batch, time, q))


def test_iterates_minimise_the_loss_over_krylov_spaces() -> None:
    x, y = regression(0, q=1)
    found = predict(conjugate(1, 2, 3), x, y)
    for n in (1, 2, 3):
        for b in range(3):
            for t in range(4, 14):
                X, Y = x[b, :t], y[b, :t]
                krylov = [X.T @ Y]
                for _ in range(n - 1):
                    krylov.append(X.T @ X @ krylov[-1])
                basis = np.linalg.qr(np.hstack(krylov))[0]
                w = basis @ np.linalg.lstsq(X @ basis, Y, rcond=None)[0]
                np.testing.assert_allclose(found[n - 1, b, t], x[b, t] @ w, rtol=1e-7, atol=1e-8)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 8), st.integers(1, 3), st.integers(0, 1000))
def test_p_iterations_are_least_squares(p: int, q: int, seed: int) -> None:
    x, y = regression(seed, p=p, q=q)
    found = predict(conjugate(p + 1), x, y)[0]
    for t in range(1, 14):
        w = np.linalg.pinv(x[:, :t]) @ y[:, :t]
        # Beside t = p the condition number of S amplifies rounding.
        condition = np.linalg.cond(x[:, :t]).max() ** 2
        expected = np.einsum("bp,bpq->bq", x[:, t], w)
        np.testing.assert_allclose(found[:, t], expected, rtol=0, atol=1e-11 * condition)


def test_iterations_past_convergence_change_nothing() -> None:
    x, y = regression(2)
    found = predict(conjugate(7, 50, 1000), x, y)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1:], np.broadcast_to(found[0], found[1:].shape), atol=1e-6)


def test_as_many_iterations_as_distinct_eigenvalues_suffice() -> None:
    # After three orthogonal pairs of equal norm, S has the one nonzero eigenvalue 4.
    x = np.concatenate([2 * np.eye(5)[:3], np.ones((1, 5))])[None]
    y = np.array([1.0, -2.0, 0.5, 0.0])[None, :, None]
    np.testing.assert_allclose(predict(conjugate(1), x, y)[0, 0, 3, 0], -0.25, atol=1e-14)


def test_it_needs_fewer_iterations_than_gradient_descent() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((200, 41, 20)) * np.linspace(0.3, 1.7, 20)
    y = x @ rng.standard_normal((200, 20, 1))
    descent = GradientDescent(kind="gradient_descent", step="optimal", iterations=(5, 10))
    error = [
        np.mean((predict(m, x, y) - y)[:, :, 40] ** 2, (1, 2)) for m in (conjugate(5, 10), descent)
    ]
    assert (error[0] < error[1]).all()
    assert error[0][1] < 0.05 * error[1][1]

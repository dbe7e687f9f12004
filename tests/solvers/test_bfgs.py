"""BFGS: against conjugate gradients, a naive recursion with matrices, and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from iclbench.solvers.bfgs import BFGS
from iclbench.solvers.conjugate_gradient import ConjugateGradient


def predict(method, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return method.predict(torch.from_numpy(x), torch.from_numpy(y)).numpy()


def bfgs(*iterations: int, **others) -> BFGS:
    return BFGS(kind="bfgs", iterations=iterations, **others)


def regression(seed: int, *, batch: int = 3, time: int = 14, p: int = 5, q: int = 2):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((batch, time, p)), rng.standard_normal((batch, p, q))
    return x, x @ w + 0.1 * rng.standard_normal((batch, time, q))


def naive(X, Y, steps: int, *, exact: bool, memory: int | None = None) -> list[np.ndarray]:
    """Return the weights of each iteration, H rebuilt from the identity by its definition."""

    def loss(w):
        return 0.5 * np.sum((X @ w - Y) ** 2)

    w = np.zeros(X.shape[1])
    pairs, weights = [], []
    for _ in range(steps):
        H = np.eye(len(w))
        for u, v in pairs[-memory:] if memory else pairs:
            left = np.eye(len(w)) - np.outer(u, v) / (u @ v)
            H = left @ H @ left.T + np.outer(u, u) / (u @ v)
        gradient = X.T @ (X @ w - Y)
        direction = -H @ gradient
        if exact:
            step = -(gradient @ direction) / np.sum((X @ direction) ** 2)
        else:
            step = 1.0
            while loss(w + step * direction) > loss(w) + 1e-4 * step * gradient @ direction:
                step /= 2
        moved = step * direction
        pairs.append((moved, X.T @ (X @ moved)))
        w = w + moved
        weights.append(w)
    return weights


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("memory", [None, 1, 2])
def test_iterates_are_those_of_the_definition(memory, exact) -> None:
    x, y = regression(0)
    search = "exact" if exact else "backtracking"
    found = predict(bfgs(1, 2, 3, 4, memory=memory, line_search=search), x, y)
    for b in range(3):
        for t in (5, 9, 13):
            for column in range(2):
                steps = naive(x[b, :t], y[b, :t, column], 4, exact=exact, memory=memory)
                np.testing.assert_allclose(
                    found[:, b, t, column], [x[b, t] @ w for w in steps], rtol=1e-7, atol=1e-9
                )


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 8), st.integers(1, 3), st.integers(0, 1000))
def test_with_exact_search_it_is_conjugate_gradients(p: int, q: int, seed: int) -> None:
    x, y = regression(seed, p=p, q=q)
    steps = tuple(range(p + 1))
    other = ConjugateGradient(kind="conjugate_gradient", iterations=steps)
    found, expected = predict(bfgs(*steps, line_search="exact"), x, y), predict(other, x, y)
    for t in range(14):
        # Directions lose their conjugacy by rounding, the sooner the worse S is conditioned.
        tame = np.linalg.cond(x[:, :t]) < 10 if t else np.full(len(x), True)
        np.testing.assert_allclose(found[:, tame, t], expected[:, tame, t], rtol=0, atol=1e-6)


def test_with_exact_search_one_pair_is_enough_memory() -> None:
    # H_0 = I, exact steps: the last pair alone makes the directions conjugate.
    x, y = regression(3)
    full = predict(bfgs(1, 2, 3, line_search="exact"), x, y)
    np.testing.assert_allclose(
        predict(bfgs(1, 2, 3, line_search="exact", memory=1), x, y), full, rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("scale", [0.05, 1.0, 30.0])
def test_with_the_wolfe_search_iterates_are_scipys(scale: float) -> None:
    # Small and large outputs make first trials too long and too short.
    x, y = regression(8, q=1)
    y = scale * y
    found = predict(bfgs(1, 2, 3, 4, 5, 6, line_search="wolfe"), x, y)
    for b in range(3):
        for t in (3, 8, 13):
            X, Y = x[b, :t], y[b, :t, 0]
            weights: list[np.ndarray] = []
            minimize(
                lambda w, X=X, Y=Y: 0.5 * np.sum((X @ w - Y) ** 2),
                np.zeros(5),
                jac=lambda w, X=X, Y=Y: X.T @ (X @ w - Y),
                method="BFGS",
                callback=lambda w, weights=weights: weights.append(w.copy()),
                options={"gtol": 1e-9 * scale, "maxiter": 6},
            )
            assert len(weights) >= 3
            for n, w in enumerate(weights):
                np.testing.assert_allclose(
                    found[n, b, t, 0], x[b, t] @ w, rtol=1e-5, atol=1e-6 * scale
                )


@pytest.mark.parametrize("memory", [None, 3])
def test_it_ends_where_scipy_ends(memory) -> None:
    x, y = regression(1, q=1)
    found = predict(bfgs(500, memory=memory), x, y)[0]
    for b in range(3):
        for t in (8, 13):
            X, Y = x[b, :t], y[b, :t, 0]
            w = minimize(
                lambda w, X=X, Y=Y: 0.5 * np.sum((X @ w - Y) ** 2),
                np.zeros(5),
                jac=lambda w, X=X, Y=Y: X.T @ (X @ w - Y),
                method="BFGS",
                options={"gtol": 1e-9},
            ).x
            np.testing.assert_allclose(found[b, t, 0], x[b, t] @ w, rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=10)
@given(
    st.integers(2, 6),
    st.sampled_from([None, 1, 4]),
    st.sampled_from(["backtracking", "wolfe"]),
    st.integers(0, 1000),
)
def test_every_iteration_lowers_the_loss(p: int, memory: int | None, search, seed: int) -> None:
    # The last positions ask for the fit of the inputs that were seen first.
    x, y = regression(seed, p=p, q=1, time=6)
    steps = tuple(range(25))
    losses = 0
    for s in range(6):
        asked = np.concatenate([x, x[:, s : s + 1]], 1)
        answers = predict(
            bfgs(*steps, memory=memory, line_search=search), asked, np.concatenate([y, y[:, :1]], 1)
        )
        losses = losses + (answers[:, :, -1] - y[:, s]) ** 2
    assert (np.diff(losses[..., 0], axis=0) <= 1e-10 * losses[0, :, 0]).all()


def test_without_pairs_or_slope_it_predicts_zero() -> None:
    x, y = regression(4)
    assert (predict(bfgs(0, 1, 50), x, y)[:, :, 0] == 0).all()
    assert (predict(bfgs(0), x, y) == 0).all()
    for inputs, outputs in ((0 * x, y), (x, 0 * y)):
        for search in ("backtracking", "wolfe", "exact"):
            found = predict(bfgs(1, 2, 30, line_search=search), inputs, outputs)
            assert (found == 0).all()


@pytest.mark.parametrize("search", ["backtracking", "wolfe", "exact"])
def test_iterations_past_convergence_change_nothing(search) -> None:
    x, y = regression(2)
    found = predict(bfgs(300, 1000, 100_000, line_search=search), x, y)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_the_future_changes_nothing() -> None:
    x, y = regression(5)
    later_x, later_y = x.copy(), y.copy()
    later_x[:, 9:], later_y[:, 8:] = 7.0, -3.0
    before = predict(bfgs(1, 3, 9), x, y)[:, :, :9]
    np.testing.assert_allclose(predict(bfgs(1, 3, 9), later_x, later_y)[:, :, :9], before)


@pytest.mark.parametrize("search", ["backtracking", "wolfe", "exact"])
def test_a_prompt_that_is_not_finite_spoils_no_other(search) -> None:
    x, y = regression(6)
    x[1, 4], y[2, 7] = np.inf, np.nan
    method = bfgs(2, 8, line_search=search)
    found, alone = predict(method, x, y), predict(method, x[:1], y[:1])
    np.testing.assert_allclose(found[:, :1], alone)
    assert np.isnan(found[:, 1, 5:]).all()
    assert np.isnan(found[:, 2, 8:]).all()
    assert np.isfinite(found[:, 1, :4]).all()
    assert np.isfinite(found[:, 2, :8]).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_predictions_scale_with_outputs(scale: float) -> None:
    x, y = regression(7)
    np.testing.assert_allclose(
        predict(bfgs(1, 5, 12), x, scale * y), scale * predict(bfgs(1, 5, 12), x, y), rtol=1e-6
    )

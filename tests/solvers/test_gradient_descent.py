from __future__ import annotations

import numpy as np
import pytest
import torch

from iclbench.solvers.gradient_descent import GradientDescent


def descent(**settings) -> GradientDescent:
    return GradientDescent.model_validate({"kind": "gradient_descent", **settings})


def predict(method: GradientDescent, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return method.predict(torch.from_numpy(x), torch.from_numpy(y)).numpy()


def regression(seed: int, *, batch: int = 3, time: int = 10, p: int = 4, q: int = 2):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((batch, time, p)), rng.standard_normal((batch, p, q))
    return x, x @ w + 0.1 * rng.standard_normal((batch, time, q))


def loop(x: np.ndarray, y: np.ndarray, query: np.ndarray, eta: float, steps: int, w=None):
    w = np.zeros((x.shape[1], y.shape[1])) if w is None else w
    for _ in range(steps):
        w = w + eta * x.T @ (y - x @ w)
    return query @ w


@pytest.mark.parametrize("eta", [0.01, 0.05, 0.3])
def test_fixed_step_is_the_plain_loop(eta: float) -> None:
    # The largest of the steps diverges, with either sign of 1 - eta l.
    x, y = regression(0)
    iterations = (0, 1, 2, 3, 8, 21)
    found = predict(descent(step=eta, iterations=iterations), x, y)
    for k, n in enumerate(iterations):
        for b in range(3):
            for t in range(10):
                expected = loop(x[b, :t], y[b, :t], x[b, t], eta, n)
                np.testing.assert_allclose(found[k, b, t], expected, rtol=1e-9, atol=1e-10)


def test_stable_and_optimal_steps_are_those_of_the_spectrum() -> None:
    x, y = regression(1)
    for step in ("stable", "optimal"):
        found = predict(descent(step=step, iterations=(3,)), x, y)[0]
        for b in range(3):
            for t in range(1, 10):
                values = np.linalg.eigvalsh(x[b, :t].T @ x[b, :t])
                values = values[values > 1e-10]
                eta = 1 / values[-1] if step == "stable" else 2 / (values[0] + values[-1])
                expected = loop(x[b, :t], y[b, :t], x[b, t], eta, 3)
                np.testing.assert_allclose(found[b, t], expected, rtol=1e-8, atol=1e-9)


def test_the_optimal_step_contracts_best_in_the_worst_direction() -> None:
    # From step 2/(a + b) the worst factor is (b - a)/(b + a); the error of w obeys it.
    x, y = regression(2, time=30, q=1)
    w = np.linalg.pinv(x[:, :29]) @ y[:, :29]
    best = np.einsum("bp,bpq->bq", x[:, 29], w)
    values = np.linalg.eigvalsh(x[:, :29].transpose(0, 2, 1) @ x[:, :29])
    factor = (values[:, -1] - values[:, 0]) / (values[:, -1] + values[:, 0])
    bound = np.linalg.norm(x[:, 29], axis=-1) * np.linalg.norm(w[..., 0], axis=-1)
    iterations = (1, 4, 16, 64)
    found = predict(descent(iterations=iterations), x, y)[:, :, 29, 0]
    for n, prediction in zip(iterations, found, strict=True):
        assert (np.abs(prediction - best[:, 0]) <= factor**n * bound + 1e-12).all()


def test_a_uniform_start_is_one_draw_for_all_prompts() -> None:
    x, y = regression(3, q=1)
    x[:, 0] = np.eye(4)[:3]
    found = predict(descent(step=0.02, start="uniform", iterations=(0, 5)), x, y)
    start = descent(step=0.02, start="uniform", iterations=(0,))
    w = predict(start, np.eye(4)[:, None], np.zeros((4, 1, 1)))[0, :, 0]
    assert ((w > 0) & (w < 0.5)).all()
    for b in range(3):
        for t in range(10):
            expected = loop(x[b, :t], y[b, :t], x[b, t], 0.02, 5, w)
            np.testing.assert_allclose(found[1, b, t], expected, rtol=1e-9)
            np.testing.assert_allclose(found[0, b, t], x[b, t] @ w, rtol=1e-12)
    other = descent(step=0.02, start="uniform", seed=1, iterations=(0,))
    assert (predict(other, x, y) != found[:1]).all()


def test_step_sizes_may_be_listed_by_position() -> None:
    x, y = regression(4)
    etas = [0.01 * (t + 1) for t in range(12)]
    found = predict(descent(step=etas, iterations=(2,)), x, y)
    for t in range(10):
        alone = predict(descent(step=etas[t], iterations=(2,)), x, y)
        np.testing.assert_allclose(found[0, :, t], alone[0, :, t], rtol=1e-12)
    with pytest.raises(ValueError, match="3 positions, but the prompts have 10"):
        predict(descent(step=[0.1, 0.1, 0.1]), x, y)


def test_descent_from_zero_tends_to_the_least_squares_of_minimum_norm() -> None:
    x, y = regression(5)
    found = predict(descent(iterations=(1_000_000,)), x, y)[0]
    for t in range(1, 10):
        w = np.linalg.pinv(x[:, :t]) @ y[:, :t]
        np.testing.assert_allclose(found[:, t], np.einsum("bp,bpq->bq", x[:, t], w), atol=1e-7)


def haar_sequences(batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    Q, R = np.linalg.qr(rng.standard_normal((batch, 5, 5)))
    W = Q * np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None]
    s = [np.full((batch, 5), 5**-0.5)]
    for _ in range(50):
        s.append(np.einsum("bij,bj->bi", W, s[-1]))
    s = np.stack(s, 1)
    return s[:, :-1], s[:, 1:]


def test_steps_on_haar_sequences_reach_the_errors_of_the_table() -> None:
    # The baselines beside Sander et al. 2024, Fig. 5 (derived), within four standard errors.
    x, y = haar_sequences(3000)

    def error(prediction: np.ndarray) -> float:
        return float(np.mean((prediction - y) ** 2))

    assert error(np.zeros_like(y)) == pytest.approx(0.2, abs=1e-12)
    step = predict(descent(step=1.0, iterations=(1,)), x, y)[0]
    eta = (step * y).sum() / (step**2).sum()
    assert eta == pytest.approx(0.0756, abs=0.0032)
    assert error(eta * step) == pytest.approx(0.0876, abs=0.0024)
    best = (step * y).sum((0, 2))[1:] / (step**2).sum((0, 2))[1:]
    listed = descent(step=[1.0, *best.tolist()], iterations=(1,))
    assert error(predict(listed, x, y)[0]) == pytest.approx(0.0604, abs=0.0028)
    normalised = descent(step=0.1, iterations=(1,), normalise=True)
    assert error(predict(normalised, x, y)[0]) == pytest.approx(0.0437, abs=0.0008)
    two = predict(descent(step=0.0615, iterations=(2,)), x, y)[0]
    assert error(two) == pytest.approx(0.0655, abs=0.002)
    # The table has .0520, of a coarser grid of steps; the best constant step does better.
    four = predict(descent(step=0.0525, iterations=(4,)), x, y)[0]
    assert error(four) == pytest.approx(0.0461, abs=0.0012)


def test_normalised_predictions_are_on_the_sphere() -> None:
    x, y = haar_sequences(4)
    found = predict(descent(step=1.0, iterations=(1, 3), normalise=True), x, y)
    np.testing.assert_allclose(np.linalg.norm(found[:, :, 1:], axis=-1), 1, atol=1e-12)
    assert (found[:, :, 0] == 0).all()
    assert descent(normalise=True).needs == {"autoregressive", "unit-norm inputs"}
    assert descent().needs == frozenset()


def test_one_step_on_commuting_rotations_has_the_error_of_theory() -> None:
    # A1 to A3 (derived): E|err|^2 = (eta M - 1)^2 + (d - 1) eta^2 M a coordinate, M pairs seen. A
    # complex pair (x, y) is two real ones, (x, y) and (ix, iy).
    d, T, batch = 5, 20, 1500
    rng = np.random.default_rng(7)
    phases = rng.uniform(0, 2 * np.pi, (batch, d))
    s = np.exp(1j * phases[:, None] * np.arange(T + 1)[:, None])

    def real(z: np.ndarray) -> np.ndarray:
        doubled = np.stack([z, 1j * z], axis=2).reshape(batch, -1, d)
        return np.concatenate([doubled.real, doubled.imag], axis=-1)

    x, y = real(s[:, :-1]), real(s[:, 1:])
    step = predict(descent(step=1.0, iterations=(1,)), x, y)[0, :, 2::2]
    target = y[:, 2::2]
    eta = (step * target).sum() / (step**2).sum()
    assert eta == pytest.approx(3 / (2 * T + 3 * d - 4), rel=0.02)
    M = np.arange(1, T)
    best = 3 / (2 * T + 3 * d - 4)
    law = d * ((best * M - 1) ** 2 + (d - 1) * best**2 * M)
    assert law.sum() == pytest.approx(39.1176, abs=1e-4)
    error = ((best * step - target) ** 2).sum(-1)
    assert error.sum(-1).mean() == pytest.approx(39.1176, rel=0.02)
    np.testing.assert_allclose(error.mean(0), law, rtol=0.1)

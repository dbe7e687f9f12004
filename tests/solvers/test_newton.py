from __future__ import annotations

import numpy as np
import pytest
import torch

from iclbench.method import Method
from iclbench.solvers.gradient_descent import GradientDescent
from iclbench.solvers.newton import Newton

D = 20


def newton(**settings) -> Newton:
    return Newton.model_validate({"kind": "newton", **settings})


def descent(**settings) -> GradientDescent:
    return GradientDescent.model_validate({"kind": "gradient_descent", **settings})


def predict(method: Method, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return method.predict(torch.from_numpy(x), torch.from_numpy(y)).numpy()


def iterate(S: np.ndarray, alpha: float, updates: int) -> np.ndarray:
    M = alpha * S
    for _ in range(updates):
        M = 2 * M - M @ S @ M
    return M


def regression(seed: int, batch: int, time: int, p: int, q: int = 1):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((batch, time, p)), rng.standard_normal((batch, p, q))
    return x, w


def ill_conditioned(x: np.ndarray, seed: int) -> np.ndarray:
    """x with covariance of condition 100 and trace d, half of its eigenvalues large, per prompt."""
    rng = np.random.default_rng(seed)
    p = x.shape[-1]
    U = np.linalg.qr(rng.standard_normal((len(x), p, p)))[0]
    scales = np.repeat([10.0, 1.0], p // 2)
    scales *= np.sqrt(p / (scales**2).sum())
    return x @ (U * scales @ U.transpose(0, 2, 1))


@pytest.mark.parametrize(
    ("scale", "alpha"),
    [
        ("frobenius", lambda S: 2 / np.linalg.norm(S @ S)),
        ("code", lambda S: 1 / np.linalg.norm(S @ S)),
        (1e-4, lambda S: 1e-4),
    ],
)
def test_predictions_are_those_of_the_recursion(scale, alpha) -> None:
    x, w = regression(0, 3, 12, 5, 2)
    y = x @ w + 0.1
    found = predict(newton(initial_scale=scale, iterations=(0, 1, 2, 5, 12)), x, y)
    for k, updates in enumerate((0, 1, 2, 5, 12)):
        for b in range(3):
            for t in range(1, 12):
                X, Y = x[b, :t], y[b, :t]
                M = iterate(X.T @ X, alpha(X.T @ X), updates)
                expected = x[b, t] @ M @ X.T @ Y
                np.testing.assert_allclose(found[k, b, t], expected, rtol=1e-8, atol=1e-9)


def test_regularisation_makes_it_ridge_regression() -> None:
    x, w = regression(1, 3, 12, 5, 2)
    y = x @ w + 0.1
    found = predict(newton(regularisation=0.3, iterations=(40,)), x, y)[0]
    for t in range(1, 12):
        X = x[:, :t]
        S = X.transpose(0, 2, 1) @ X + 0.3 * np.eye(5)
        w_t = np.linalg.solve(S, X.transpose(0, 2, 1) @ y[:, :t])
        np.testing.assert_allclose(found[:, t], np.einsum("bp,bpq->bq", x[:, t], w_t), atol=1e-9)


def test_many_iterations_stay_at_the_least_squares_of_minimum_norm() -> None:
    # N5: rounding errors of the recursion double in the null space; these have none there.
    x, w = regression(2, 3, 12, 8)
    y = x @ w
    found = predict(newton(iterations=(40, 100)), x, y)
    for t in range(2, 12):
        least = np.linalg.pinv(x[:, :t]) @ y[:, :t]
        for prediction in found:
            np.testing.assert_allclose(
                prediction[:, t], np.einsum("bp,bpq->bq", x[:, t], least), atol=1e-6
            )


def test_one_pair_predicts_zero_unless_the_scale_is_halved() -> None:
    # For S of rank one ||S S^T||_F = ||S S^T||_2, the scale that loses the top direction.
    x, w = regression(2, 40, 2, 8)
    y = x @ w
    found = predict(newton(iterations=(0, 1, 20, 100)), x, y)[:, :, 1]
    least = np.einsum("bp,bp->b", x[:, 0], x[:, 1]) / (x[:, 0] ** 2).sum(-1) * y[:, 0, 0]
    np.testing.assert_allclose(found[0, :, 0], 2 * least, atol=1e-12)
    assert (found[1:] == 0).all()
    halved = predict(newton(initial_scale="code", iterations=(1,)), x, y)[0, :, 1, 0]
    np.testing.assert_allclose(halved, least, atol=1e-12)


def test_what_remains_is_a_power() -> None:
    # N01: I - M_k S = (I - alpha S^2)^(2^k). The two sides of the identity behind the closed form.
    x, _ = regression(3, 1, 30, 6)
    S = x[0].T @ x[0]
    alpha = 2 / np.linalg.norm(S @ S)
    for k in range(15):
        left = np.eye(6) - iterate(S, alpha, k) @ S
        right = np.linalg.matrix_power(np.eye(6) - alpha * S @ S, 2**k)
        np.testing.assert_allclose(left, right, atol=1e-10)


def test_first_iterates_are_odd_polynomials() -> None:
    # N02: 2a S - a^2 S^3 and 4a S - 6a^2 S^3 + 4a^3 S^5 - a^4 S^7, read off single predictions:
    # with one pair (l^{1/2}, l^{1/2}) the prediction at l^{1/2} is l^{1/2} M_k(l) l. Misprinted are
    # 4a^2 in the first and 12, 16, 16 in the second.
    u, a = np.array([0.3, 0.7, 1.1]), 0.5
    x = np.sqrt(u)[:, None, None] * np.ones((1, 2, 1))
    M = predict(newton(initial_scale=a, iterations=(1, 2)), x, x)[:, :, 1, 0] / u**1.5
    np.testing.assert_allclose(M[0], 2 * a * u - a**2 * u**3, rtol=1e-10)
    second = 4 * a * u - 6 * a**2 * u**3 + 4 * a**3 * u**5 - a**4 * u**7
    np.testing.assert_allclose(M[1], second, rtol=1e-10)
    printed = 4 * a * u - 12 * a**2 * u**3 + 16 * a**3 * u**5 - 16 * a**4 * u**7
    assert (np.abs(2 * a * u - 4 * a**2 * u**3 - M[0]) / M[0]).max() > 0.5
    assert (np.abs(printed - M[1]) / M[1]).max() > 0.5


def test_the_printed_scale_loses_the_top_direction() -> None:
    # N03: with alpha = 2/|S S^T|_2 the gain u^T M_k S u is 2, 0, 0, ...; with Frobenius it tends to
    # 1. The query is u, the targets are those of w = u.
    x, _ = regression(4, 1, 26, 6)
    u = np.linalg.eigh(x[0, :25].T @ x[0, :25])[1][:, -1]
    x[0, 25] = u
    y = x @ u[:, None]
    iterations = tuple(range(26))
    printed = predict(newton(initial_scale="spectral", iterations=iterations), x, y)[:, 0, 25, 0]
    assert printed[0] == pytest.approx(2, abs=1e-6)
    np.testing.assert_allclose(printed[1:], 0, atol=1e-6)
    frobenius = predict(newton(iterations=iterations), x, y)[:, 0, 25, 0]
    assert frobenius[-1] == pytest.approx(1, abs=1e-10)


def test_gradient_steps_and_newton_iterations_meet_along_an_eigenvector() -> None:
    # N2: in one direction k iterations equal 2^k log|1 - alpha l^2| / log|1 - eta l| steps.
    x = np.ones((1, 2, 1))
    alpha, eta = 0.19, 0.1  # 1 - alpha = (1 - eta)^2
    found = predict(newton(initial_scale=alpha, iterations=range(6)), x, x)[:, 0, 1]
    steps = predict(descent(step=eta, iterations=[2 * 2**k for k in range(6)]), x, x)[:, 0, 1]
    np.testing.assert_allclose(found, steps, rtol=1e-12)


def cosine(e: np.ndarray, f: np.ndarray) -> np.ndarray:
    """The mean over prompts of the cosine between errors (…, batch, time)."""
    norms = np.linalg.norm(e, axis=-1) * np.linalg.norm(f, axis=-1)
    return ((e * f).sum(-1) / norms).mean(-1)


@pytest.fixture(scope="module")
def prompts() -> tuple[np.ndarray, np.ndarray]:
    x, w = regression(5, 320, 41, D)
    return x, x @ w


def errors(method: Method, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (predict(method, x, y) - y)[..., 0]


def test_similarity_to_one_gradient_step_is_the_published_one(prompts) -> None:
    # N05: Fu et al. 2024, Fig. 26a.
    x, y = prompts
    step = errors(descent(step=0.01, start="uniform", iterations=(1,)), x, y)[0]
    found = cosine(errors(newton(iterations=range(1, 11)), x, y), step)
    published = [0.974, 0.955, 0.923, 0.883, 0.838, 0.794, 0.754, 0.719, 0.691, 0.670]
    np.testing.assert_allclose(found, published, atol=0.015)


def test_similarity_to_the_zero_predictor_is_the_published_one(prompts) -> None:
    # N06: Fu et al. 2024, Figs. 8 and 10, first column.
    x, y = prompts
    found = cosine(errors(newton(iterations=range(1, 9)), x, y), -y[..., 0])
    published = [0.920, 0.876, 0.829, 0.781, 0.734, 0.691, 0.652, 0.619]
    np.testing.assert_allclose(found, published, atol=0.015)
    steps = descent(step=0.01, start="uniform", iterations=[2**k for k in range(9)])
    published = [0.954, 0.910, 0.842, 0.759, 0.678, 0.610, 0.563, 0.536, 0.521]
    np.testing.assert_allclose(cosine(errors(steps, x, y), -y[..., 0]), published, atol=0.015)


def test_similarity_to_zero_on_ill_conditioned_inputs_is_the_published_one(prompts) -> None:
    # N07: Fu et al. 2024, Fig. 16, first column; .885 for one Newton iteration.
    x = ill_conditioned(prompts[0], 6)
    y = x @ regression(5, 320, 41, D)[1]
    found = cosine(errors(newton(iterations=(1,)), x, y), -y[..., 0])
    np.testing.assert_allclose(found, [0.885], atol=0.015)
    steps = descent(step=0.002, start="uniform", iterations=(1, 100, 500, 2000))
    found = cosine(errors(steps, x, y), -y[..., 0])
    np.testing.assert_allclose(found, [0.990, 0.502, 0.417, 0.395], atol=0.015)


def test_matching_gradient_steps_double_every_second_iteration(prompts) -> None:
    # N08 (derived): slope 1/2 of log2(steps) against iterations.
    x, y = prompts
    iterations = errors(newton(initial_scale="code"), x, y)
    steps = errors(descent(step=0.01, iterations=[2**k for k in range(13)]), x, y)
    best = np.array([cosine(steps, e) for e in iterations]).argmax(1)[2:22]
    k = np.arange(3, 23)
    assert np.polyfit(k, best, 1)[0] == pytest.approx(0.5, abs=0.1)
    assert np.corrcoef(k, best)[0, 1] ** 2 > 0.97
    match = np.array([cosine(iterations, e) for e in iterations]).argmax(1)
    np.testing.assert_array_equal(match, np.arange(23))


def test_a_step_beyond_two_over_l_max_diverges_and_none_below(prompts) -> None:
    # N10: .01 is too long for some ill-conditioned prompts, and so for their mean.
    x = ill_conditioned(prompts[0], 6)
    y = x @ regression(5, 320, 41, D)[1]
    error = errors(descent(step=0.01, iterations=(1, 200, 1600)), x, y)[:, :, 40] ** 2
    assert error[1].mean() / error[0].mean() > 1e3
    top = np.linalg.eigvalsh(x[:, :40].transpose(0, 2, 1) @ x[:, :40])[:, -1]
    assert (error[2, top > 202] > 1e6).all()
    assert (error[2, top < 198] < 1e3).all()


def first_below(method: Method, x: np.ndarray, w: np.ndarray, threshold: float = 1e-3) -> float:
    """The median over prompts of the first iterate whose mean squared error of w is below."""
    batch, _, p = x.shape
    # One prompt a coefficient, with the query e_i at t = 40.
    x = np.repeat(x, p, axis=0)
    x[:, 40] = np.tile(np.eye(p), (batch, 1))
    squares = errors(method, x, x @ np.repeat(w, p, axis=0))[:, :, 40] ** 2
    reached = squares.reshape(len(method.iterates), batch, p).mean(-1) < threshold
    assert reached[-1].mean() > 0.5
    return float(np.median(np.asarray(method.iterates)[reached.argmax(0)]))


def test_iterations_grow_with_the_logarithm_of_the_condition_number() -> None:
    # N09 and N11 (derived): Newton 10 and 21, gradient descent 39 and 1908.
    x, w = regression(7, 20, 41, D)
    ill = ill_conditioned(x, 8)
    grid = sorted({round(1.06**k) for k in range(150)})
    fast, slow = first_below(newton(), x, w), first_below(newton(iterations=range(31)), ill, w)
    assert fast == pytest.approx(10, abs=2)
    assert 8 <= slow - fast <= 14
    steps = descent(step="optimal", iterations=grid)
    assert 30 <= first_below(steps, ill, w) / first_below(steps, x, w) <= 80

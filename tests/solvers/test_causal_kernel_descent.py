from __future__ import annotations

import numpy as np
import pytest
import torch

from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.causal_kernel_descent import CausalKernelDescent
from iclbench.solvers.kaczmarz import Kaczmarz

KERNELS = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(0, z),
    "exponential": np.exp,
    "softmax": np.exp,
}


def descent(attention: str, *, scale: float = 1.0, **settings) -> CausalKernelDescent:
    return CausalKernelDescent.model_validate(
        {
            "kind": "causal_kernel_descent",
            "attention": {"kind": attention, "scale": scale},
            **settings,
        }
    )


def predict(method, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return method.predict(torch.from_numpy(x), torch.from_numpy(y)).numpy()


def haar(rng: np.random.Generator, d: int) -> np.ndarray:
    Q, R = np.linalg.qr(rng.standard_normal((d, d)))
    return Q * np.sign(np.diag(R))


def sphere(rng: np.random.Generator, *shape: int) -> np.ndarray:
    points = rng.standard_normal(shape)
    return points / np.linalg.norm(points, axis=-1, keepdims=True)


def rotation_orbits(seed: int, batch: int, time: int, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    s = [sphere(rng, batch, d)]
    Omega = np.stack([haar(rng, d) for _ in range(batch)])
    for _ in range(time):
        s.append(np.einsum("bij,bj->bi", Omega, s[-1]))
    s = np.stack(s, 1)
    return s[:, :-1], s[:, 1:]


@pytest.mark.parametrize("attention", KERNELS)
def test_layers_are_the_recursion_over_tokens(attention: str) -> None:
    # u_t += eta sum a(x_t, x_{s-1}) r_s, r_t -= eta sum a(x_{t-1}, x_{s-1}) r_s, s <= t, token t
    # holding the pair t - 1: written out, one token after the other.
    x, y = rotation_orbits(0, 1, 8, 3)
    x, y = x[0], y[0]

    def weights(query: np.ndarray, keys: np.ndarray) -> np.ndarray:
        a = KERNELS[attention](1.5 * keys @ query)
        return a / a.sum() if attention == "softmax" else a

    residual, estimate = y.copy(), np.zeros_like(y)
    found = predict(descent(attention, scale=1.5, step=0.2, depths=(0, 1, 2, 6)), x[None], y[None])
    for depth in range(7):
        if depth in (0, 1, 2, 6):
            k = (0, 1, 2, 6).index(depth)
            np.testing.assert_allclose(found[k, 0], estimate, atol=1e-12)
        old = residual.copy()
        for t in range(8):
            if t:
                estimate[t] += 0.2 * weights(x[t], x[:t]) @ old[:t]
            residual[t] -= 0.2 * weights(x[t], x[: t + 1]) @ old[: t + 1]


@pytest.mark.parametrize("kind", ["linear", "relu", "exponential"])
def test_the_limit_of_depth_is_a_pass_of_kaczmarz(kind) -> None:
    # E2 (derived), by one triangular solve and by many layers.
    x, y = rotation_orbits(1, 4, 12)
    passed = predict(Kaczmarz(kind="kaczmarz", kernel=inner_product_kernel(kind)), x, y)
    limit = predict(descent(kind, depths="limit"), x, y)
    deep = predict(descent(kind, step=0.7, relative=True, depths=(400,)), x, y)
    np.testing.assert_allclose(limit, passed, atol=1e-10)
    np.testing.assert_allclose(deep, passed, atol=1e-10)


def test_softmax_tends_to_its_limit() -> None:
    x, y = rotation_orbits(2, 4, 20)
    limit = predict(descent("softmax", depths="limit"), x, y)
    deep = predict(descent("softmax", step=1.0, depths=(1000,)), x, y)
    np.testing.assert_allclose(deep, limit, atol=1e-10)


def test_as_many_layers_as_tokens_are_exact_and_fewer_are_not() -> None:
    # E3 (derived): with eta = 1/kappa, I - eta L is nilpotent.
    x, y = rotation_orbits(3, 2, 40)
    found = predict(descent("linear", step=1.0, depths=(5, 20, 40)), x, y)
    limit = predict(descent("linear", depths="limit"), x, y)
    np.testing.assert_allclose(found[2], limit[0], atol=1e-10)
    np.testing.assert_allclose(found[0, :, :6], limit[0, :, :6], atol=1e-10)
    assert np.abs(found[0] - limit[0]).max() > 1
    assert np.abs(found[1] - limit[0]).max() > 1e-3


@pytest.mark.parametrize("attention", ["linear", "exponential", "softmax"])
def test_two_over_kappa_is_the_threshold_of_the_step(attention: str) -> None:
    # E4 (derived). Five pairs, where the transient of a defective matrix is short.
    x, y = rotation_orbits(4, 3, 6)
    kappa = np.e if attention == "exponential" else 1.0
    limit = predict(descent(attention, depths="limit"), x, y)[0]
    depths = (2000, 4000)
    for factor, converges in [(1.99, True), (2.01, False)]:
        found = predict(descent(attention, step=factor / kappa, depths=depths), x, y)
        first, second = np.abs(found - limit).max((1, 2, 3))
        assert (second < 1e-3 * first) == converges
        assert (second > 1e3 * first) != converges


def test_small_steps_contract_residuals_and_errors_do_not_grow() -> None:
    # E5 (derived): |I - eta L|_2 < 1 for eta < kappa / |L|_2^2.
    x, _ = rotation_orbits(5, 8, 30)
    for K in (x @ x.transpose(0, 2, 1), np.exp(x @ x.transpose(0, 2, 1))):
        L = np.tril(K)
        eta = 0.999 * K[:, :1, :1] / np.linalg.norm(L, 2, axis=(1, 2), keepdims=True) ** 2
        assert (np.linalg.norm(np.eye(30) - eta * L, 2, axis=(1, 2)) < 1).all()


def test_a_fixed_depth_fails_for_long_prompts() -> None:
    # E10 (derived): the error grows with t.
    x, y = rotation_orbits(6, 64, 41)
    error = np.linalg.norm(predict(descent("linear", step=1.0, depths=(1,)), x, y)[0] - y, axis=-1)
    assert error[:, 40].mean() / error[:, 5].mean() > 2


def test_softmax_on_periods_converges_like_one_over_t() -> None:
    # E8 and E9 (derived): softmax falls as 1/t where the exponential kernel is exact to rounding.
    rng = np.random.default_rng(7)
    points = sphere(rng, 16, 4, 5)
    s = np.tile(points, (1, 31, 1))[:, :121]
    x, y = s[:, :-1], s[:, 1:]

    def by_period(method: CausalKernelDescent) -> np.ndarray:
        error = np.linalg.norm(predict(method, x, y)[0] - y, axis=-1)
        return error.reshape(16, 30, 4).max(-1)

    softmax = by_period(descent("softmax", depths="limit"))
    exponential = by_period(descent("exponential", depths="limit"))
    periods = np.arange(1, 31)
    late = periods >= 10
    slopes = [np.polyfit(np.log(periods[late]), np.log(e[late]), 1)[0] for e in softmax]
    assert np.median(slopes) == pytest.approx(-1, abs=0.15)
    assert np.median(softmax[:, -1]) > 1e-2
    assert np.median(exponential[:, -1]) < 1e-10


def test_relative_steps_converge_for_inputs_of_any_norm() -> None:
    rng = np.random.default_rng(8)
    x, y = 3 * rng.standard_normal((3, 8, 4)), rng.standard_normal((3, 8, 2))
    limit = predict(descent("linear", depths="limit"), x, y)
    exact = predict(descent("linear", step=1.0, relative=True, depths=(8,)), x, y)
    np.testing.assert_allclose(exact, limit, atol=1e-9)


def test_on_the_sphere_a_relative_step_is_in_units_of_kappa() -> None:
    x, y = rotation_orbits(9, 3, 10)
    absolute = predict(descent("exponential", scale=2.0, step=0.5 * np.exp(-2.0)), x, y)
    relative = predict(descent("exponential", scale=2.0, step=0.5, relative=True), x, y)
    np.testing.assert_allclose(absolute, relative, rtol=1e-9, atol=1e-9)


def test_overflow_goes_forward_in_time_only() -> None:
    x, y = rotation_orbits(10, 1, 12)
    found = predict(descent("exponential", step=30.0, depths=(1, 300)), x, y)
    alone = predict(descent("exponential", step=30.0, depths=(1, 300)), x[:, :2], y[:, :2])
    assert not np.isfinite(found[1, :, -1]).any()
    np.testing.assert_array_equal(found[:, :, :2], alone)
    assert np.isfinite(found[0]).all()


def test_softmax_refuses_a_relative_step() -> None:
    with pytest.raises(ValueError, match="does not apply to softmax"):
        descent("softmax", relative=True)

from __future__ import annotations

import numpy as np
import pytest
import torch

from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.kernel_ridge import KernelRidge
from iclbench.solvers.least_squares import LeastSquares


def draw(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def sphere(seed, *shape):
    return torch.nn.functional.normalize(draw(seed, *shape), dim=-1)


def solver(kind, penalty, scale=1.0):
    return KernelRidge(
        kind="kernel_ridge", kernel=inner_product_kernel(kind, scale=scale), penalty=penalty
    )


def moduli(K):
    values, vectors = torch.linalg.eigh(K)
    return (vectors * values.abs().unsqueeze(-2)) @ vectors.mT


@pytest.mark.parametrize("kind", ["linear", "exponential", "relu"])
@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_it_solves_the_regularised_system_on_every_prefix(kind, penalty):
    x, y = sphere(0, 3, 12, 4), draw(1, 3, 12, 2)
    method = solver(kind, penalty, scale=1.7)
    found = method.predict(x, y)[0]
    for t in range(1, 12):
        K = method.kernel.gram(x[:, : t + 1], x[:, : t + 1])
        if kind == "relu":
            K = moduli(K)
        alpha = torch.linalg.solve(K[:, :t, :t] + penalty * torch.eye(t).double(), y[:, :t])
        expected = (K[:, t:, :t] @ alpha)[:, 0]
        torch.testing.assert_close(found[:, t], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["linear", "exponential", "relu"])
def test_without_a_penalty_it_interpolates(kind):
    seen, labels = sphere(2, 3, 5, 5), draw(3, 3, 5, 1)
    for again in range(5):
        x = torch.cat((seen, seen[:, again, None]), dim=1)
        y = torch.cat((labels, torch.zeros(3, 1, 1)), dim=1)
        found = solver(kind, 0.0).predict(x, y)[0, :, 5]
        torch.testing.assert_close(found, labels[:, again], rtol=0, atol=1e-8)


def test_without_noise_the_linear_kernel_is_least_squares():
    x = draw(4, 4, 20, 5)
    x[:, 3] = x[:, 1]
    x[:, 6] = 0
    y = x @ draw(5, 4, 5, 2)
    ols = LeastSquares(kind="least_squares").predict(x, y)
    torch.testing.assert_close(solver("linear", 0.0).predict(x, y), ols, rtol=0, atol=1e-9)


def test_dependent_points_teach_nothing_and_harm_nothing():
    """Forty points on a line leave the exponential Gram matrix with a numerical rank of ten."""
    x = torch.from_numpy(np.random.default_rng(6).uniform(-1, 1, size=(4, 40, 1)))
    y = torch.sin(2 * x)
    found = solver("exponential", 0.0).predict(x, y)[0]
    torch.testing.assert_close(found[:, 15:], y[:, 15:], rtol=0, atol=1e-4)


BAYES = {
    "linear": {2: 0.580, 4: 0.157, 6: 0.0, 14: 0.0},
    "exponential": {2: 2.22, 4: 1.71, 6: 1.39, 8: 1.13, 10: 0.943, 12: 0.809, 14: 0.689},
    "relu": {2: 0.837, 6: 0.400, 14: 0.156},
}


@pytest.mark.parametrize("kind", BAYES)
def test_the_mean_of_the_process_attains_the_bayes_loss(kind):
    """x = Sigma^{1/2} xi, xi on the sphere of R^5, Sigma = diag(1, 1, 0.25, 2.25, 1)."""
    axes = torch.tensor([1, 1, 0.25, 2.25, 1], dtype=torch.float64).sqrt()
    for n, expected in BAYES[kind].items():
        x = sphere(n, 8000, n + 1, 5) * axes
        K = moduli(inner_product_kernel(kind).gram(x, x))
        values, vectors = torch.linalg.eigh(K)
        y = vectors @ (values.clamp_min(0).sqrt()[..., None] * draw(n + 1, 8000, n + 1, 4))
        method = solver(kind, 0.0)
        loss = (method.predict(x, y)[0, :, n] - y[:, n]).square().mean().item()
        assert loss == pytest.approx(expected, rel=0.05, abs=1e-8)


def test_an_overflowing_kernel_spoils_no_other_prompt():
    x, y = sphere(7, 2, 6, 3), draw(8, 2, 6, 1)
    whole = solver("exponential", 0.1).predict(x, y)
    x[0] *= 40.0
    spoilt = solver("exponential", 0.1).predict(x, y)
    torch.testing.assert_close(spoilt[:, 1], whole[:, 1], rtol=0, atol=0)

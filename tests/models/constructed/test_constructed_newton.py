from __future__ import annotations

import pytest
import torch

from iclbench.models.constructed.newton import Newton


def prompts(batch=3, time=10, p=4, q=2):
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(batch, time, p, generator=rng, dtype=torch.float64)
    return inputs, torch.randn(batch, time, q, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("initial", [1.0, 2.0])
def test_layers_are_newton_iterations(initial):
    x, y = prompts()
    depths = tuple(range(1, 7))
    predicted = Newton(kind="newton", initial=initial, depths=depths).predict(x, y)
    for b in range(3):
        for t in range(1, 10):
            X, Y = x[b, :t], y[b, :t]
            S = X.T @ X
            M = initial / torch.linalg.matrix_norm(S @ S.T) * S
            for layer in range(6):
                M = 2 * M - M @ S @ M
                expected = x[b, t] @ M @ X.T @ Y
                assert (predicted[layer, b, t] - expected).abs().max() < 1e-10


def test_depth_reaches_least_squares():
    x, y = prompts(time=20)
    (predicted,) = Newton(kind="newton", depths=(25,)).predict(x, y)
    for t in (10, 19):
        W = torch.linalg.lstsq(x[:, :t], y[:, :t]).solution
        exact = (x[:, t].unsqueeze(1) @ W).squeeze(1)
        torch.testing.assert_close(predicted[:, t], exact, rtol=1e-8, atol=1e-8)


def test_a_context_of_zeros_predicts_zero():
    x, y = prompts()
    assert (Newton(kind="newton").predict(torch.zeros_like(x), y) == 0).all()

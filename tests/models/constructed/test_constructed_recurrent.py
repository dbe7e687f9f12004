from __future__ import annotations

import torch

from iclbench.models.constructed.recurrent import Recurrent


def prompts(batch=3, time=12, p=4, q=2):
    rng = torch.Generator().manual_seed(0)
    inputs = 2 * torch.randn(batch, time, p, generator=rng, dtype=torch.float64)
    return inputs, torch.randn(batch, time, q, generator=rng, dtype=torch.float64)


def layer(attention, **rest):
    return Recurrent(kind="recurrent", attention=attention, **rest)


def test_the_normalised_delta_layer_is_a_kaczmarz_pass():
    x, y = prompts()
    x[:, 3] = 0
    predicted = layer({"kind": "delta"}, normalised=True).predict(x, y)[0]
    for b in range(3):
        W = torch.zeros(4, 2, dtype=torch.float64)
        for t in range(12):
            assert (predicted[b, t] - x[b, t] @ W).abs().max() < 1e-10
            if t != 3:
                W = W + torch.outer(x[b, t], y[b, t] - x[b, t] @ W) / x[b, t].square().sum()


def test_the_mesa_layer_is_ridge_regression():
    x, y = prompts()
    predicted = layer({"kind": "mesa", "ridge": 0.3}).predict(x, y)[0]
    for t in range(12):
        X, Y = x[:, :t], y[:, :t]
        W = torch.linalg.solve(X.mT @ X + 0.3 * torch.eye(4, dtype=torch.float64), X.mT @ Y)
        assert (predicted[:, t] - (x[:, t : t + 1] @ W).squeeze(1)).abs().max() < 1e-10


def test_the_gated_layer_is_a_gradient_step_that_forgets():
    x, y = prompts()
    gated = layer({"kind": "gated_linear"}, step=0.3, normalised=True, forgetting=0.8)
    predicted = gated.predict(x, y)[0]
    S = torch.zeros(3, 2, 4, dtype=torch.float64)
    for t in range(12):
        xt = x[:, t].unsqueeze(-1)
        assert (predicted[:, t] - (S @ xt).squeeze(-1)).abs().max() < 1e-10
        S = 0.8 * S + 0.3 * y[:, t].unsqueeze(-1) @ xt.mT / xt.square().sum(1, keepdim=True)

from __future__ import annotations

import numpy as np
import torch

from iclbench.solvers.online_gradient_descent import OnlineGradientDescent


def test_fixed_step_is_the_plain_loop() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 9, 3)), rng.standard_normal((2, 9, 2))
    method = OnlineGradientDescent(kind="online_gradient_descent", step=0.1)
    found = method.predict(torch.from_numpy(x), torch.from_numpy(y))[0].numpy()
    for b in range(2):
        W = np.zeros((2, 3))
        for t in range(9):
            np.testing.assert_allclose(found[b, t], W @ x[b, t], atol=1e-12)
            W += 0.1 * np.outer(y[b, t] - W @ x[b, t], x[b, t])


def test_divergence_goes_forward_in_time_only() -> None:
    x = torch.ones(1, 400, 1, dtype=torch.float64)
    y = torch.ones_like(x)
    found = OnlineGradientDescent(kind="online_gradient_descent", step=50.0).predict(x, y)
    assert found[0, 0, :100].isfinite().all()
    assert not found[0, 0, -1].isfinite().all()


def test_a_normalised_step_interpolates_the_last_pair() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((3, 6, 4)), rng.standard_normal((3, 6, 2))
    x[:, 5] = x[:, 4]
    method = OnlineGradientDescent(kind="online_gradient_descent", start="uniform")
    found = method.predict(torch.from_numpy(x), torch.from_numpy(y))[0].numpy()
    np.testing.assert_allclose(found[:, 5], y[:, 4], atol=1e-12)


def test_starts_differ_by_seed_and_not_by_prompt() -> None:
    x, y = torch.ones(3, 2, 4).double(), torch.zeros(3, 2, 1).double()
    first = [
        OnlineGradientDescent(kind="online_gradient_descent", start="uniform", seed=seed)
        .predict(x, y)[0, :, 0]
        .unique()
        for seed in (0, 1)
    ]
    assert all(len(values) == 1 for values in first)
    assert first[0] != first[1]
    assert all(0 < values.item() < 2 for values in first)  # the sum of 4 weights in [0, 1/2]

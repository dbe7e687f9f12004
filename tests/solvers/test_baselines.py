"""Zero, averaging and nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch

from iclbench.solvers.averaging import Averaging
from iclbench.solvers.nearest_neighbours import NearestNeighbours
from iclbench.solvers.zero import Zero


def pairs(seed: int, batch: int, time: int, p: int, q: int):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, time, p)), rng.standard_normal((batch, time, q))


def test_zero_predicts_zero() -> None:
    x, y = (torch.from_numpy(part) for part in pairs(0, 2, 5, 3, 2))
    assert (Zero(kind="zero").predict(x, y) == 0).all()


def test_averaging_is_the_mean_of_x_y() -> None:
    x, y = pairs(1, 3, 8, 4, 2)
    found = Averaging(kind="averaging").predict(torch.from_numpy(x), torch.from_numpy(y))[0].numpy()
    for t in range(1, 8):
        w = np.mean(x[:, :t, :, None] * y[:, :t, None, :], axis=1)
        np.testing.assert_allclose(found[:, t], np.einsum("bp,bpq->bq", x[:, t], w), atol=1e-12)


def test_neighbours_are_the_nearest_ones() -> None:
    x, y = pairs(2, 3, 10, 4, 2)
    method = NearestNeighbours(kind="nearest_neighbours", k=3)
    found = method.predict(torch.from_numpy(x), torch.from_numpy(y))[0].numpy()
    for b in range(3):
        for t in range(1, 10):
            nearest = np.argsort(np.linalg.norm(x[b, :t] - x[b, t], axis=-1))[:3]
            np.testing.assert_allclose(found[b, t], y[b, nearest].mean(0), atol=1e-12)


def test_a_neighbour_at_no_distance_is_found_in_float32() -> None:
    x = torch.full((1, 40, 3), 100.0) + 1e-3 * torch.arange(40.0).reshape(1, 40, 1)
    x[0, -1] = x[0, 17]
    y = torch.arange(40.0).reshape(1, 40, 1)
    assert NearestNeighbours(kind="nearest_neighbours", k=1).predict(x, y)[0, 0, -1] == 17


def test_baselines_are_worse_than_half_on_linear_regression() -> None:
    # With t = d pairs least squares is exact; these are not (Garg et al. 2022).
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((400, 21, 20)), rng.standard_normal((400, 20, 1))
    y = x @ w
    for method in (Averaging(kind="averaging"), NearestNeighbours(kind="nearest_neighbours")):
        predicted = method.predict(torch.from_numpy(x), torch.from_numpy(y))[0].numpy()
        assert np.mean((predicted - y)[:, 20] ** 2) / 20 > 0.3

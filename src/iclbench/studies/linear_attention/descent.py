"""Gradient descent and GD++ on the pairs of a prompt, with the constants that are best for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from iclbench.lazy import torch


class Constants(NamedTuple):
    """The step size eta, and the curvature correction gamma, which is 0 in gradient descent."""

    eta: float
    gamma: float = 0.0


def last_predictions(
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time 1"],
    steps: int,
    constants: Constants,
) -> Float[torch.Tensor, " batch"]:
    """Return the prediction of the last label after some steps on all pairs before it.

    A step is what one layer of linear attention can do: it takes the gradient of
    1/2 sum_s (y_s - <w, x_s>)^2 out of the residuals r_s = y_s - <w, x_s>, and maps every x,

        r_i <- r_i - eta sum_s <x_s, x_i> r_s,    x_i <- (I - gamma sum_s x_s x_s^T) x_i,

    the last x likewise, with the x and r of before the step on the right. From w = 0, with gamma =
    0, it is gradient descent. With gamma it is GD++ of von Oswald et al. 2023 (arXiv 2212.07677),
    reconstructed: the order of the two updates and their constancy over steps are ours. Of one
    step the two are the same.
    """
    x, query = inputs[:, :-1], inputs[:, -1:]
    residual = outputs[:, :-1]
    prediction = torch.zeros_like(outputs[:, -1])
    for _ in range(steps):
        prediction = prediction + constants.eta * (query @ (x.mT @ residual))[:, 0]
        residual = residual - constants.eta * (x @ (x.mT @ residual))
        if constants.gamma:
            moments = x.mT @ x
            query = query - constants.gamma * query @ moments
            x = x - constants.gamma * x @ moments
    return prediction[:, 0]


def loss_of_constants(
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time 1"],
    steps: int,
) -> Callable[[Constants], float]:
    """Return the mean squared error of ``last_predictions`` as a function of the constants.

    With the eigenvalues l of sum_s x_s x_s^T, in their basis, all steps act on each direction
    alone: x after some is c x, the query likewise, and u = sum_s x_s r_s, with the first x, goes to
    (1 - eta l c^2) u while c goes to (1 - gamma l c^2) c. So a value of the loss takes no matrices.
    """
    x, y = inputs[:, :-1], outputs[:, -1, 0]
    eigenvalues, V = torch.linalg.eigh(x.mT @ x)
    start = (V.mT @ (x.mT @ outputs[:, :-1]))[..., 0]
    query = (inputs[:, -1:] @ V)[:, 0]

    def loss(constants: Constants) -> float:
        u, c = start, torch.ones_like(start)
        prediction = torch.zeros_like(y)
        for _ in range(steps):
            square = c.square()
            prediction = prediction + constants.eta * (query * square * u).sum(-1)
            u = u - constants.eta * eigenvalues * square * u
            c = c - constants.gamma * eigenvalues * square * c
        return (prediction - y).square().mean().item()

    return loss


def best_step(
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time 1"],
    steps: int,
) -> Constants:
    """Return the constant step size of gradient descent with the least loss on these prompts.

    A line search, on 24 step sizes up to 4 / E l_max and then between the neighbours of the best,
    to 1e-5 of it; l_max is the largest eigenvalue of sum_s x_s x_s^T.
    """
    from scipy.optimize import minimize_scalar

    loss_of = loss_of_constants(inputs, outputs, steps)

    def loss(eta: float) -> float:
        return loss_of(Constants(eta))

    x = inputs[:, :-1]
    bound = 4 / torch.linalg.matrix_norm(x, 2).square().mean().item()
    grid = bound * np.arange(1, 25) / 24
    place = int(np.argmin([loss(eta) for eta in grid]))
    low, high = grid[place] - bound / 24, grid[place] + bound / 24
    options = {"xatol": 1e-5 * grid[place]}
    found: Any = minimize_scalar(loss, bounds=(low, high), method="bounded", options=options)
    return Constants(float(found.x))


def best_constants(
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time 1"],
    steps: int,
) -> Constants:
    """Return eta and gamma of GD++ with the least loss on these prompts, found by Nelder-Mead.

    It starts at the best step size of gradient descent and gamma of a tenth of it. Of one step,
    which gamma does not touch, gamma is 0.
    """
    from scipy.optimize import minimize

    start = best_step(inputs, outputs, steps)
    if steps == 1:
        return start
    loss_of = loss_of_constants(inputs, outputs, steps)

    def loss(point: np.ndarray) -> float:
        value = loss_of(Constants(*point))
        return value if np.isfinite(value) else np.inf

    corners = start.eta * np.array([[1.0, 0.1], [1.5, 0.1], [1.0, 0.2]])
    options = {"initial_simplex": corners, "xatol": 1e-4, "fatol": 1e-6}
    found = minimize(loss, corners[0], method="Nelder-Mead", options=options)
    return Constants(*(float(entry) for entry in found.x))

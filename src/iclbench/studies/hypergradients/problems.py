"""Regressions with one log penalty a coordinate: inner problem, outer loss, and their solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from iclbench.implicit import Problem
from iclbench.lazy import torch
from iclbench.streams import stream

Data = Literal["gaussian", "diabetes", "breast_cancer"]
Inner = Literal["ridge", "logistic"]
Outer = Literal["affine", "quadratic", "logistic"]

NOISE = 0.5
"""Standard deviation of the noise of Gaussian labels."""

NEWTON_STEPS = 200


@dataclass(frozen=True)
class Regression:
    """A bilevel problem, where it was drawn, and its solution.

    Attributes:
        problem: The inner gradient and the outer loss.
        inner: f(x, y), the inner objective.
        y: The hyperparameters, log penalties.
        solution: x*(y).
        hypergradient: The derivative of h(y) = g(x*(y), y).
        start: Where the inner solver begins.
        direction: A unit vector of the inner variables, at random.
    """

    problem: Problem
    inner: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    y: Float[torch.Tensor, " d"]
    solution: Float[torch.Tensor, " d"]
    hypergradient: Float[torch.Tensor, " d"]
    start: Float[torch.Tensor, " d"]
    direction: Float[torch.Tensor, " d"]


def draw(
    data: Data,
    inner: Inner,
    outer: Outer,
    log_penalties: tuple[float, float],
    names: tuple[str | int, ...],
    size: tuple[int, int] = (60, 6),
) -> Regression:
    """Draw a problem: which rows are fitted, hyperparameters, outer loss and start.

        ridge:    f(x, y) = |A x - b|^2 / (2 n) + sum_i exp(y_i) x_i^2 / (2 d)
        logistic: f(x, y) = mean_i log(1 + exp(-b_i a_i x)) + sum_i exp(y_i) x_i^2 / (2 d)
        affine:    g(x, y) = c^T x + |y|^2, with Gaussian c
        quadratic: g(x, y) = |C x - c|^2 / 2, with Gaussian C (d x d) and c
        logistic:  g(x, y) = the mean logistic loss, without penalty, of rows that are not fitted

    y is uniform between ``log_penalties``, and the start is x0 + 10^{3/2} (x0 - x*) with x0 =
    2 N(0, I). The columns of a data set have mean 0 and variance 1 over all its rows.

    Source: Ye et al. 2024 (arXiv 2402.16748) and the authors' code, with other data.

    Args:
        data: Gaussian rows a_i with labels a_i^T w + noise of standard deviation 1/2 (their signs
            if logistic) and Gaussian w, or a data set that ships with scikit-learn: diabetes
            (442 x 10) or breast cancer (569 x 30).
        inner: The inner objective.
        outer: The outer loss.
        log_penalties: The least and the largest log penalty.
        names: The names of the random streams.
        size: n, the rows fitted, and d of Gaussian data.
    """
    rng = stream(*names)
    # As many rows are held out as fitted, where the outer loss is of data.
    parts = 2 if outer == "logistic" else 1
    inputs, labels = rows_of(data, inner, (parts * size[0], size[1]), rng)
    order = rng.permutation(len(inputs))
    fitted = order[: len(order) // parts]
    A, b = torch.from_numpy(inputs[fitted]), torch.from_numpy(labels[fitted])
    held = np.setdiff1d(order, fitted)
    A_held, b_held = torch.from_numpy(inputs[held]), torch.from_numpy(labels[held])
    d = A.shape[1]
    C, c = torch.from_numpy(rng.normal(size=(d, d))), torch.from_numpy(rng.normal(size=d))

    def penalty(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (y.exp() * x.square()).sum() / (2 * d)

    def ridge(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (A @ x - b).square().mean() / 2 + penalty(x, y)

    def logistic(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.softplus(-b * (A @ x)).mean() + penalty(x, y)

    outers = {
        "affine": lambda x, y: c @ x + y.square().sum(),
        "quadratic": lambda x, _: (C @ x - c).square().sum() / 2,
        "logistic": lambda x, _: torch.nn.functional.softplus(-b_held * (A_held @ x)).mean(),
    }
    objective = {"ridge": ridge, "logistic": logistic}[inner]
    problem = Problem.of(objective, outers[outer])
    y = torch.from_numpy(rng.uniform(*log_penalties, size=d))
    solution = minimise(objective, torch.zeros_like(y), y)
    x0 = torch.from_numpy(2 * rng.normal(size=d))
    direction = torch.from_numpy(rng.normal(size=d))
    return Regression(
        problem,
        objective,
        y,
        solution,
        derivative(problem, solution, y),
        x0 + 10**1.5 * (x0 - solution),
        direction / direction.norm(),
    )


def rows_of(
    data: Data, inner: Inner, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Return inputs, a data set's standardised, and labels: numbers, or -1 and 1 if logistic."""
    if data == "gaussian":
        inputs = rng.normal(size=size)
        labels = inputs @ rng.normal(size=size[1]) + NOISE * rng.normal(size=size[0])
        return inputs, np.sign(labels) if inner == "logistic" else labels
    from sklearn.datasets import load_breast_cancer, load_diabetes

    load = {"diabetes": load_diabetes, "breast_cancer": load_breast_cancer}[data]
    inputs, labels = load(return_X_y=True)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    centred = (labels - labels.mean()) / labels.std()
    return inputs, np.sign(centred) if inner == "logistic" else centred


def minimise(
    objective: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: Float[torch.Tensor, " d"],
    y: Float[torch.Tensor, " d"],
) -> Float[torch.Tensor, " d"]:
    """Return argmin_x f(x, y) of a convex f, by Newton's method, to rounding.

    A step is halved until f falls; where it falls no more, two full steps are left to take.

    Raises:
        RuntimeError: If f still falls after ``NEWTON_STEPS`` steps.
    """
    gradient = torch.func.grad(objective)
    hessian = torch.func.jacrev(gradient)
    last = 2
    for _ in range(NEWTON_STEPS):
        step = torch.linalg.solve(hessian(x, y), gradient(x, y))
        value, fraction = objective(x, y), 1.0
        while objective(x - fraction * step, y) >= value and fraction > 1e-4:
            fraction /= 2
        if fraction <= 1e-4:
            fraction, last = 1.0, last - 1
        x = x - fraction * step
        if last == 0:
            return x
    raise RuntimeError(f"no minimum after {NEWTON_STEPS} Newton steps; the objective is not convex")


def derivative(
    problem: Problem, x: Float[torch.Tensor, " d"], y: Float[torch.Tensor, " d"]
) -> Float[torch.Tensor, " d"]:
    """Return the derivative of g(x*(y), y), with the Jacobian of x* as a matrix."""
    hessian = torch.func.jacrev(problem.gradient, argnums=0)(x, y)
    mixed = torch.func.jacrev(problem.gradient, argnums=1)(x, y)
    jacobian = -torch.linalg.solve(hessian, mixed)
    in_x, in_y = problem.outer_gradients(x, y)
    return in_y + jacobian.mT @ in_x

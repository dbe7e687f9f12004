from __future__ import annotations

import numpy as np
import torch

from iclbench.solvers.implicit import hypergradient

RNG = np.random.default_rng(0)
A, B = (torch.from_numpy(RNG.normal(size=(30, 5))) for _ in range(2))
a, b = (torch.from_numpy(RNG.normal(size=30)) for _ in range(2))
Y = torch.from_numpy(RNG.uniform(-1, 1, size=5))


def inner_gradient(x, y):
    """Of ridge regression with one log penalty a coordinate."""
    return A.mT @ (A @ x - a) / 30 + y.exp() * x / 5


def outer_loss(x, y):
    return (B @ x - b).square().sum() / 60 + 0.1 * y.square().sum()


def solution(y):
    return torch.linalg.solve(A.mT @ A / 30 + torch.diag(y.exp()) / 5, A.mT @ a / 30)


def unrolled(y, steps=500):
    x = torch.zeros_like(y)
    for _ in range(steps):
        x = x - 0.3 * inner_gradient(x, y)
    return x


def test_it_is_the_derivative_through_the_solution():
    exact = torch.func.grad(lambda y: outer_loss(solution(y), y))(Y)
    found = hypergradient(inner_gradient, outer_loss, solution(Y), Y)
    torch.testing.assert_close(found, exact, rtol=1e-12, atol=1e-13)


def test_it_is_the_derivative_through_gradient_descent():
    through = torch.func.grad(lambda y: outer_loss(unrolled(y), y))(Y)
    found = hypergradient(inner_gradient, outer_loss, unrolled(Y), Y)
    torch.testing.assert_close(found, through, rtol=1e-8, atol=1e-12)


def test_it_is_the_slope_of_finite_differences():
    found = hypergradient(inner_gradient, outer_loss, solution(Y), Y)
    steps = 1e-5 * torch.eye(5, dtype=torch.float64)
    slopes = torch.stack(
        [
            (outer_loss(solution(Y + e), Y + e) - outer_loss(solution(Y - e), Y - e)) / 2e-5
            for e in steps
        ]
    )
    torch.testing.assert_close(found, slopes, rtol=1e-7, atol=1e-10)


def test_its_error_is_of_first_order_away_from_the_solution():
    exact = hypergradient(inner_gradient, outer_loss, solution(Y), Y)
    direction = torch.from_numpy(np.random.default_rng(1).normal(size=5))
    errors = [
        (hypergradient(inner_gradient, outer_loss, solution(Y) + h * direction, Y) - exact).norm()
        for h in (1e-3, 1e-4)
    ]
    assert abs(torch.log10(errors[0] / errors[1]) - 1) < 0.05


def test_stacked_problems_are_solved_each_on_its_own():
    """Matrices of variables, one hyperparameter a row, and a solve handed in."""
    shifts = torch.linspace(0.5, 2, 4, dtype=torch.float64)
    targets = torch.arange(8, dtype=torch.float64).reshape(4, 2)
    found = hypergradient(
        lambda x, y: y[:, None] * x - targets,
        lambda x, y: (x**3).sum() + y.square().sum(),
        targets / shifts[:, None],
        shifts,
        solve=lambda v: v / shifts[:, None],
    )
    # h(y) = sum (targets / y)^3 + y^2
    expected = -3 * (targets**3).sum(1) / shifts**4 + 2 * shifts
    torch.testing.assert_close(found, expected)

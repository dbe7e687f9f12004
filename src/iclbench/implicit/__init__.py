"""Hypergradients: the gradient of h(y) = g(x*(y), y), where x* solves an inner problem.

Usable on their own, on any problem that torch can differentiate; all functions can be mapped over
stacked problems by ``torch.func.vmap``, but for ``ConjugateGradients``, which stops by itself.

Examples:
    Ridge regression with one log penalty a coordinate, its solution after a few steps of gradient
    descent, and the error on other data as the outer loss:

    >>> import torch
    >>> rng = torch.Generator().manual_seed(0)
    >>> A, B = (torch.randn(40, 5, dtype=torch.float64, generator=rng) for _ in range(2))
    >>> w = torch.arange(5.0, dtype=torch.float64)
    >>> def inner(x, y):
    ...     return (A @ (x - w)).square().mean() / 2 + (y.exp() * x.square()).mean() / 2
    >>> def outer(x, y):
    ...     return (B @ (x - w)).square().mean() / 2
    >>> problem = Problem.of(inner, outer)
    >>> y = torch.zeros(5, dtype=torch.float64)
    >>> solved = descend(problem, torch.zeros_like(y), y, step=0.5, steps=2000)
    >>> exact = vanilla(problem, solved.x, y).checked()
    >>> early = descend(problem, torch.zeros_like(y), y, step=0.5, steps=10).x

    A Newton step more, and an inner problem that is quadratic is solved:

    >>> def error(estimate):
    ...     return float((estimate.checked() - exact).norm() / exact.norm())
    >>> error(vanilla(problem, early, y)) > 1e-3
    True
    >>> error(preconditioned(problem, early, y, "newton")) < 1e-12
    True

    What has no answer says why:

    >>> vanilla(problem, y / 0, y).outcome.name
    'INNER_DIVERGED'
"""

from iclbench.implicit.estimators import (
    ChangeOfVariables,
    Inner,
    descend,
    diagonal,
    exponential,
    ideal,
    preconditioned,
    reparameterised,
    unrolled,
    vanilla,
)
from iclbench.implicit.outcomes import Estimate, HypergradientError, Outcome, Solution
from iclbench.implicit.problems import Problem
from iclbench.implicit.systems import ConjugateGradients, LinearSolver, NeumannSeries, dense

__all__ = [
    "ChangeOfVariables",
    "ConjugateGradients",
    "Estimate",
    "HypergradientError",
    "Inner",
    "LinearSolver",
    "NeumannSeries",
    "Outcome",
    "Problem",
    "Solution",
    "dense",
    "descend",
    "diagonal",
    "exponential",
    "ideal",
    "preconditioned",
    "reparameterised",
    "unrolled",
    "vanilla",
]

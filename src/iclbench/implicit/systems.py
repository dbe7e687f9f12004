"""Linear systems with the inner Hessian: dense, by conjugate gradients, by Neumann's series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float

from iclbench.implicit.outcomes import Outcome, Solution, code_if, first
from iclbench.lazy import torch

Operator: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"
"""v -> A v, of the shape of v."""


LinearSolver: TypeAlias = "Callable[[Operator, torch.Tensor], Solution]"
"""Solves A v = b, where A is known by its products alone: (operator, b) -> v, and how it ended."""


def dense(operator: Operator, b: Float[torch.Tensor, "*shape"]) -> Solution:
    """Solve by the matrix: as many products as unknowns, then elimination.

    The matrix is scaled from both sides by about the roots of its diagonal, so that the units of
    the unknowns do not matter; it is called singular if then its smallest singular value is below
    n eps times the largest. Can be mapped over stacked problems by ``torch.func.vmap``.
    """
    n = b.numel()
    identity = torch.eye(n, dtype=b.dtype, device=b.device)
    columns = torch.func.vmap(lambda e: operator(e.reshape(b.shape)).reshape(n))(identity)
    matrix, right = columns.mT, b.reshape(n)
    size = matrix.diagonal().abs()
    # Powers of two, by which to scale costs no digit.
    scale = torch.where(size > 0, (-size.log2() / 2).round().exp2(), 1.0)
    scaled = scale[:, None] * matrix * scale
    # What is not finite is not solved; the identity in its place keeps decompositions from raising.
    exists = scaled.isfinite().all()
    scaled = torch.where(exists, scaled, identity)
    values = torch.linalg.svdvals(scaled)
    singular = values[-1] <= n * torch.finfo(b.dtype).eps * values[0]
    solved = torch.linalg.solve_ex(scaled, scale * right).result
    v = (scale * solved).reshape(b.shape)
    code = first(code_if(~exists, Outcome.INNER_DIVERGED), code_if(singular, Outcome.SINGULAR))
    return Solution(v, _residual((matrix @ v.reshape(n)).reshape(b.shape), b), code)


@dataclass(frozen=True)
class ConjugateGradients:
    """Conjugate gradients, for a symmetric positive definite A, from v = 0.

    One product a step; ends when the relative residual is at most ``tolerance``.

    Attributes:
        tolerance: The largest relative residual.
        steps: The most steps; by default twice the number of unknowns.
    """

    tolerance: float = 1e-10
    steps: int | None = None

    def __call__(self, operator: Operator, b: Float[torch.Tensor, "*shape"]) -> Solution:
        """Return the solution of A v = b."""
        v, r = torch.zeros_like(b), b
        direction, square = r, _dot(r, r)
        rounding = torch.finfo(b.dtype).eps
        least = self.tolerance**2 * square
        curvature = size = torch.ones_like(square)
        for _ in range(2 * b.numel() if self.steps is None else self.steps):
            if not square > least:  # a NaN ends it too
                break
            product = operator(direction)
            curvature = _dot(direction, product)
            size = direction.norm() * product.norm()
            if curvature <= rounding * size:
                break
            step = square / curvature
            v, r = v + step * direction, r - step * product
            previous, square = square, _dot(r, r)
            direction = r + square / previous * direction
        residual = _residual(operator(v), b)
        code = first(
            code_if(~residual.isfinite(), Outcome.INNER_DIVERGED),
            code_if(curvature < -rounding * size, Outcome.NOT_CONVEX),
            code_if(curvature <= rounding * size, Outcome.SINGULAR),
            # What is computed along the way differs from the residual by rounding.
            code_if(residual > 2 * self.tolerance, Outcome.UNSOLVED),
        )
        return Solution(v, residual, code)


@dataclass(frozen=True)
class NeumannSeries:
    """v = step * sum_{k < terms} (I - step A)^k b, which converges if |I - step A| < 1.

    Attributes:
        step: The step; for a symmetric A below 2 over its largest eigenvalue.
        terms: The number of terms, one product each.
        tolerance: The relative residual from which on the system counts as solved.
    """

    step: float
    terms: int
    tolerance: float = 1e-6

    def __call__(self, operator: Operator, b: Float[torch.Tensor, "*shape"]) -> Solution:
        """Return the solution of A v = b, as far as the series goes."""
        v, r = torch.zeros_like(b), b
        for _ in range(self.terms):
            v = v + self.step * r
            r = b - operator(v)
        residual = _residual(b - r, b)
        code = first(
            code_if(~(residual <= 1), Outcome.SYSTEM_DIVERGED),
            code_if(residual > self.tolerance, Outcome.UNSOLVED),
        )
        return Solution(v, residual, code)


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum()


def _residual(product: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return |A v - b| / |b|, and 0 where b = 0."""
    size = b.norm()
    return (product - b).norm() / torch.where(size > 0, size, 1.0)

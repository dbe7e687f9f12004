"""Estimators of hypergradients from an inner x that is not solved to the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from jaxtyping import Float, Int

from iclbench.implicit.outcomes import Estimate, Outcome, code_if, finish, first
from iclbench.implicit.problems import Function, Problem
from iclbench.implicit.systems import LinearSolver, dense
from iclbench.lazy import torch


def vanilla(
    problem: Problem,
    x: Float[torch.Tensor, "*x"],
    y: Float[torch.Tensor, "*y"],
    solve: LinearSolver = dense,
) -> Estimate:
    """Estimate by the implicit function theorem, as if x were the inner solution.

    Gamma(x, y) = -F2^T v + grad_y g with F1^T v = grad_x g, all at (x, y). It is the gradient of
    h(y) = g(x*(y), y) once x = x*(y); elsewhere its error is proportional to |x - x*(y)|.

    Source: Ye et al. 2024 (arXiv 2402.16748), the estimator without preconditioner.

    Examples:
        The inner problem min_x (x - y)^2 / 2 + x^2 / 2 has x* = y / 2, so that with g = x^2 the
        gradient of h(y) = y^2 / 4 at 6 is 3.

        >>> problem = Problem(lambda x, y: 2 * x - y, lambda x, y: x.square().sum())
        >>> y = torch.tensor([6.0])
        >>> vanilla(problem, y / 2, y).value
        tensor([3.])
    """
    grad_x, grad_y = problem.outer_gradients(x, y)
    solution = solve(problem.transposed(x, y), grad_x)
    inner = x.isfinite().all() & problem.gradient(x, y).isfinite().all()
    outer = problem.outer(x, y).isfinite() & grad_x.isfinite().all() & grad_y.isfinite().all()
    code = first(
        code_if(~inner, Outcome.INNER_DIVERGED),
        code_if(~outer, Outcome.OUTER_NOT_FINITE),
        solution.code,
    )
    return finish(grad_y - problem.pull(x, y, solution.value), solution.residual, code)


def preconditioned(
    problem: Problem,
    x: Float[torch.Tensor, "*x"],
    y: Float[torch.Tensor, "*y"],
    preconditioner: Literal["diagonal", "newton"],
    solve: LinearSolver = dense,
) -> Estimate:
    """Estimate at x - P^{-1} F(x, y), with P the diagonal of F1 or F1 itself.

    With Newton's step the error is of second order in |x - x*|, and nil if the inner objective is
    quadratic.

    Source: Ye et al. 2024 (arXiv 2402.16748), preconditioned estimator.
    """
    inner = problem.gradient(x, y)
    if preconditioner == "diagonal":
        diagonal = problem.diagonal(x, y)
        step, code = inner / diagonal, code_if((diagonal == 0).any(), Outcome.SINGULAR)
        residual = torch.zeros_like(step.sum())
    else:
        step, residual, code = solve(problem.product(x, y), inner)
    estimate = vanilla(problem, x - step, y, solve)
    residual = torch.maximum(residual, estimate.residual)
    return finish(estimate.value, residual, first(code, estimate.code))


@dataclass(frozen=True)
class ChangeOfVariables:
    """x = forward(z, y), bijective in z.

    Attributes:
        forward: phi(z, y), of the shape of z.
        inverse: z = phi^{-1}(x, y).
        code: Whether there is such a change of variables at x, as ``Outcome.code``.
    """

    forward: Function
    inverse: Function
    code: Int[torch.Tensor, ""]


def reparameterised(
    problem: Problem,
    x: Float[torch.Tensor, "*x"],
    y: Float[torch.Tensor, "*y"],
    change: ChangeOfVariables,
    solve: LinearSolver = dense,
) -> Estimate:
    """Estimate in other inner variables z, where x = phi(z, y): ``vanilla`` of that problem.

    Whatever of x or y the change of variables holds fixed is a constant to all derivatives.

    Source: Ye et al. 2024 (arXiv 2402.16748), reparameterised estimator.
    """
    estimate = vanilla(problem.through(change.forward), change.inverse(x, y), y, solve)
    # An inner variable that overflowed has no place in any variables.
    code = torch.where(x.isfinite().all(), change.code, Outcome.INNER_DIVERGED.code)
    return finish(estimate.value, estimate.residual, first(code, estimate.code))


def diagonal(
    problem: Problem, x: Float[torch.Tensor, "*x"], y: Float[torch.Tensor, "*y"]
) -> ChangeOfVariables:
    """Return phi(z, y') = D(y')^{-1} z, with D the diagonal of F1 at this x."""
    return ChangeOfVariables(
        lambda z, y: z / problem.diagonal(x, y),
        lambda x_, y: x_ * problem.diagonal(x, y),
        code_if((problem.diagonal(x, y) == 0).any(), Outcome.SINGULAR),
    )


def exponential(x: Float[torch.Tensor, "*x"]) -> ChangeOfVariables:
    """Return phi(z) = s exp(z), coordinate by coordinate, with s the signs of this x."""
    signs = x.sign()
    return ChangeOfVariables(
        lambda z, _: signs * z.exp(),
        lambda x_, _: (x_ / signs).log(),
        code_if((x == 0).any(), Outcome.OUT_OF_RANGE),
    )


def ideal(
    problem: Problem, x: Float[torch.Tensor, "*x"], y: Float[torch.Tensor, "*y"]
) -> ChangeOfVariables:
    """Return phi(z, y') = H(y')^{-1} (H(y) z - b) + x, with H = F1 and b = H(y) x - F(x, y).

    For a quadratic inner problem F(x, y) = H(y) x - b, such as ridge regression, whose solution
    depends on x nowhere: then the Jacobian of x* in y comes out exactly, wherever x is, and the
    estimate is exact where the outer loss is affine in x.

    Source: Ye et al. 2024 (arXiv 2402.16748), ideal reparameterisation.
    """

    def hessian(y: torch.Tensor) -> torch.Tensor:
        units = torch.eye(x.numel(), dtype=x.dtype, device=x.device)
        columns = torch.func.vmap(problem.product(x, y))(units.reshape(-1, *x.shape))
        return columns.reshape(units.shape).mT

    fixed = hessian(y)
    # By the criterion of the dense solver; the identity stands in for what cannot be inverted.
    units = torch.eye(x.numel(), dtype=x.dtype, device=x.device)
    code = dense(lambda v: fixed @ v, torch.ones_like(units[0])).code
    fixed = torch.where(code == Outcome.SOLVED.code, fixed, units)
    b = fixed @ x.reshape(-1) - problem.gradient(x, y).reshape(-1)

    def regular(y: torch.Tensor) -> torch.Tensor:
        return torch.where(code == Outcome.SOLVED.code, hessian(y), units)

    def forward(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        moved = torch.linalg.solve_ex(regular(y), fixed @ z.reshape(-1) - b).result
        return moved.reshape(x.shape) + x

    def inverse(x_: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        right = regular(y) @ (x_ - x).reshape(-1) + b
        return torch.linalg.solve_ex(fixed, right).result.reshape(x.shape)

    return ChangeOfVariables(forward, inverse, code)


class Inner(NamedTuple):
    """Where gradient descent on the inner problem has come to.

    Attributes:
        x: The inner variables.
        decrease: |F(x, y)| over that at the start.
        code: How it ended, as ``Outcome.code``.
    """

    x: Float[torch.Tensor, "*shape"]
    decrease: Float[torch.Tensor, ""]
    code: Int[torch.Tensor, ""]


def descend(
    problem: Problem,
    x: Float[torch.Tensor, "*x"],
    y: Float[torch.Tensor, "*y"],
    step: float,
    steps: int,
) -> Inner:
    """Return ``steps`` steps of gradient descent on the inner problem, from x.

    It is called diverged where the inner gradient has grown by more than rounding.
    """
    start, size = problem.gradient(x, y).norm(), 1 + x.norm()
    for _ in range(steps):
        x = x - step * problem.gradient(x, y)
    end = problem.gradient(x, y).norm()
    rounding = torch.finfo(x.dtype).eps ** 0.5 * size
    grows = ~(end.isfinite() & (end <= start + rounding))
    decrease = end / torch.where(start > 0, start, 1.0)
    return Inner(x, decrease, code_if(grows, Outcome.INNER_DIVERGED))


def unrolled(
    problem: Problem,
    x: Float[torch.Tensor, "*x"],
    y: Float[torch.Tensor, "*y"],
    step: float,
    steps: int,
) -> Estimate:
    """Estimate by the gradient of g(x_k(y), y), where x_k is k steps of descent from x.

    The gradient of what was computed, by reverse mode through all steps; it approaches that of h as
    x_k approaches x*. It solves no linear system, and remembers every step.
    """

    def loss(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inner = descend(problem, x, y, step, steps)
        value = problem.outer(inner.x, y)
        code = first(inner.code, code_if(~value.isfinite(), Outcome.OUTER_NOT_FINITE))
        return value, code

    value, code = torch.func.grad(loss, has_aux=True)(y)
    code = first(code, code_if(~value.isfinite().all(), Outcome.OUTER_NOT_FINITE))
    return finish(value, torch.zeros_like(value.sum()), code)

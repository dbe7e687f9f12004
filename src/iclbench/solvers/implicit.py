"""Hypergradients by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxtyping import Float

from iclbench.lazy import torch


def hypergradient(
    inner_gradient: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    outer_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: Float[torch.Tensor, "*inner"],
    y: Float[torch.Tensor, "*outer"],
    solve: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Float[torch.Tensor, "*outer"]:
    """Return Gamma(x, y) = -F2^T F1^{-1} grad_x g + grad_y g.

    This is the gradient of h(y) = g(x*(y), y), where F(x*(y), y) = 0, once x = x*(y); elsewhere its
    error is proportional to |x - x*(y)|. F1 and F2 are the Jacobians of F in x and in y.

    Independent problems may be stacked along leading dimensions of x and y, with an ``outer_loss``
    that sums over them and a ``solve`` that solves each: F1 is then block-diagonal.

    Source: Ye et al. 2024 (arXiv 2402.16748), the estimator without preconditioner.

    Args:
        inner_gradient: F(x, y), the gradient in x of the inner objective, of the shape of x.
        outer_loss: g(x, y), a scalar.
        x: The inner variables.
        y: The hyperparameters.
        solve: v -> F1^{-1} v at (x, y); by default a dense solve.

    Raises:
        torch.linalg.LinAlgError: If no ``solve`` is given and F1 is singular.

    Examples:
        The inner problem min_x (x - y)^2 / 2 + x^2 / 2 has x* = y / 2, so that with g = x^2 the
        gradient of h(y) = y^2 / 4 at 6 is 3.

        >>> y = torch.tensor([6.0])
        >>> hypergradient(lambda x, y: 2 * x - y, lambda x, y: x.square().sum(), y / 2, y)
        tensor([3.])
    """
    grad_x, grad_y = torch.func.grad(outer_loss, argnums=(0, 1))(x, y)
    if solve is None:
        solve = partial(torch.linalg.tensorsolve, torch.func.jacrev(inner_gradient)(x, y))
    pullback = torch.func.vjp(partial(inner_gradient, x), y)[1]
    return grad_y - pullback(solve(grad_x))[0]

"""A bilevel problem: an inner one that x solves, and an outer loss at its solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float

from iclbench.lazy import torch

Function: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"


@dataclass(frozen=True)
class Problem:
    """min_y h(y) = g(x*(y), y), where F(x*(y), y) = 0.

    Independent problems may be stacked along leading dimensions of x and y, with an outer loss that
    sums over them; the Jacobian F1 of F in x is then block-diagonal.

    Attributes:
        gradient: F(x, y), of the shape of x: the gradient in x of the inner objective, or any
            function of which x* is a root.
        outer: g(x, y), a scalar.
    """

    gradient: Function
    outer: Function

    @classmethod
    def of(cls, inner: Function, outer: Function) -> Problem:
        """Return the problem whose x* minimises an inner objective f(x, y), a scalar."""
        return cls(torch.func.grad(inner), outer)

    def outer_gradients(
        self, x: Float[torch.Tensor, "*x"], y: Float[torch.Tensor, "*y"]
    ) -> tuple[Float[torch.Tensor, "*x"], Float[torch.Tensor, "*y"]]:
        """Return grad_x g and grad_y g at (x, y)."""
        return torch.func.grad(self.outer, argnums=(0, 1))(x, y)

    def product(
        self, x: Float[torch.Tensor, "*x"], y: Float[torch.Tensor, "*y"]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return v -> F1 v at (x, y)."""
        # The transpose of the transpose: to load torch's forward mode takes seconds.
        push = torch.func.vjp(self.transposed(x, y), torch.zeros_like(x))[1]
        return lambda v: push(v)[0]

    def transposed(
        self, x: Float[torch.Tensor, "*x"], y: Float[torch.Tensor, "*y"]
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return v -> F1^T v at (x, y): the same as ``product`` where F is a gradient."""
        pull = torch.func.vjp(lambda x: self.gradient(x, y), x)[1]
        return lambda v: pull(v)[0]

    def diagonal(
        self, x: Float[torch.Tensor, "*x"], y: Float[torch.Tensor, "*y"]
    ) -> Float[torch.Tensor, "*x"]:
        """Return the diagonal of F1 at (x, y), by as many products as x has coordinates."""
        product = self.product(x, y)
        units = torch.eye(x.numel(), dtype=x.dtype, device=x.device).reshape(-1, *x.shape)
        return torch.func.vmap(lambda e: (e * product(e)).sum())(units).reshape(x.shape)

    def pull(
        self,
        x: Float[torch.Tensor, "*x"],
        y: Float[torch.Tensor, "*y"],
        v: Float[torch.Tensor, "*x"],
    ) -> Float[torch.Tensor, "*y"]:
        """Return F2^T v at (x, y), where F2 is the Jacobian of F in y."""
        return torch.func.vjp(lambda y: self.gradient(x, y), y)[1](v)[0]

    def through(self, forward: Function) -> Problem:
        """Return the same problem in z, where x = forward(z, y).

        Its F is that of f(forward(z, y), y): the pull-back of F by the Jacobian of ``forward``.
        """

        def gradient(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            x_and_pull = torch.func.vjp(lambda z: forward(z, y), z)
            return x_and_pull[1](self.gradient(x_and_pull[0], y))[0]

        return Problem(gradient, lambda z, y: self.outer(forward(z, y), y))

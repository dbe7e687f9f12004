"""Muon: steps of hidden matrices that are orthogonal, beside Adam for all other parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from typing_extensions import override

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Of Adam, as torch has them."""

QUINTIC, ITERATIONS = (3.4445, -4.7750, 2.0315), 5
"""x -> a x + b x^3 + c x^5 on singular values, of a steep slope at 0, and how often."""

VANISHED = 1e-7
"""The norm below which a gradient counts as having vanished."""


@dataclass(frozen=True)
class Matrices:
    """Matrices of one shape that lie side by side in a row of parameters.

    Attributes:
        start: The first one's place in the row.
        count: How many there are.
        shape: (m, n) of each.
    """

    start: int
    count: int
    shape: tuple[int, int]

    @property
    def end(self) -> int:
        """The place behind the last one."""
        return self.start + self.count * self.shape[0] * self.shape[1]


class AdamWithMuon(torch.optim.Optimizer):
    """Muon on the matrices in rows of parameters, one row a network, and Adam on what is left.

    With momentum M <- mu M + (1 - mu) G and Nesterov's look ahead U = mu M + (1 - mu) G, a matrix W
    of m rows and n columns goes to W - rate sqrt(max(1, m / n)) orthogonalised(U). A step costs
    about 20 m^2 n + 10 m^3 operations more a matrix (m <= n), and a matrix has one moment in place
    of two. Without matrices it is Adam.

    Source: Jordan et al., Muon (2024, kellerjordan.github.io/posts/muon). ``torch.optim.Muon``
    takes one matrix after the other and computes in bfloat16; here all of a shape, of all
    networks, are one product, in the numbers of the parameters.

    Args:
        rows: (S, P), the parameters of S networks.
        matrices: Where the matrices are, from the first column on and without gaps.
        lr: Adam's step size.
        ratio: Muon's step size, over ``lr``: a schedule moves both.
        momentum: mu.
    """

    def __init__(
        self,
        rows: torch.nn.Parameter,
        matrices: Sequence[Matrices],
        lr: float,
        ratio: float,
        momentum: float,
    ) -> None:
        super().__init__([rows], {"lr": lr})
        self.matrices = tuple(matrices)
        self.ratio, self.momentum = ratio, momentum

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step, after the closure that computes gradients, and return what it returns."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        (group,) = self.param_groups
        (rows,) = group["params"]
        state = self.state[rows]
        border = self.matrices[-1].end if self.matrices else 0
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(rows)
            state["square"] = torch.zeros_like(rows[:, border:])
        state["step"] += 1
        self._muon(rows[:, :border], rows.grad[:, :border], state["mean"][:, :border], group["lr"])
        count = state["step"].item()
        mean, square, gradient = state["mean"][:, border:], state["square"], rows.grad[:, border:]
        mean.lerp_(gradient, 1 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        scale = (square / (1 - BETAS[1] ** count)).sqrt_().add_(EPSILON)
        rows[:, border:].addcdiv_(mean, scale, value=-group["lr"] / (1 - BETAS[0] ** count))
        return loss

    def _muon(
        self, rows: torch.Tensor, gradient: torch.Tensor, mean: torch.Tensor, lr: float
    ) -> None:
        mean.lerp_(gradient, 1 - self.momentum)
        ahead = gradient.lerp(mean, self.momentum)
        for each in self.matrices:
            m, n = each.shape
            part = slice(each.start, each.end)
            steps = orthogonalised(ahead[:, part].unflatten(1, (each.count, m, n)))
            size = lr * self.ratio * max(1, m / n) ** 0.5
            rows[:, part].sub_(steps.flatten(1), alpha=size)


def orthogonalised(
    matrices: Float[torch.Tensor, "*batch m n"],
) -> Float[torch.Tensor, "*batch m n"]:
    """Return matrices with the singular vectors of these and singular values near 1.

    Five steps of an iteration of Newton and Schulz's kind, with the coefficients of Jordan et al.:
    singular values from 0.02 of the Frobenius norm upwards end between 0.68 and 1.14, smaller ones
    are enlarged up to 485 times. A matrix whose norm is below 1e-7 counts as one of that norm, as
    theirs does, so that gradients that have vanished move nothing; zeros stay zeros.
    """
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if is_tall else matrices
    x = x.reshape(-1, *x.shape[-2:])
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(VANISHED)
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if is_tall else x).reshape(matrices.shape)

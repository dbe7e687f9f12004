"""Least squares on every prefix in the eigenbasis of its S_t, where iterations are scalar."""

from __future__ import annotations

from collections.abc import Iterable

from jaxtyping import Float

from iclbench.lazy import torch
from iclbench.solvers.prefixes import eigen, moments

BUDGET = 2**24
"""How many numbers the matrices S_t of the prompts solved together may hold."""


def spectrum(
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
) -> tuple[
    Float[torch.Tensor, "batch time p"],
    Float[torch.Tensor, "batch time p"],
    Float[torch.Tensor, "batch time p q"],
]:
    """Return the normal equations S_t w = b_t of every prefix in the eigenbasis of S_t = V l V^T.

    In float64, whatever the inputs: S has the square of the condition number of the inputs.

    Returns:
        The eigenvalues l, the query V^T x_t and the right-hand side V^T b_t (zero where l is). A
        solution w_i in this basis predicts sum_i (V^T x_t)_i w_i.
    """
    chunk = max(1, BUDGET // (inputs.shape[1] * inputs.shape[2] ** 2))
    parts = []
    prompts = zip(inputs.double().split(chunk), outputs.double().split(chunk), strict=True)
    for x, y in prompts:
        S, b = moments(x, y)
        values, vectors = eigen(S)
        query = (vectors.mT @ x.unsqueeze(-1)).squeeze(-1)
        seen = (values != 0).unsqueeze(-1)
        parts.append((values, query, (vectors.mT @ b).where(seen, 0.0)))
    values, query, target = (torch.cat(part) for part in zip(*parts, strict=True))
    return values, query, target


def approach(
    modes: Float[torch.Tensor, "batch time p q"],
    contraction: Float[torch.Tensor, "batch time p"],
    powers: Iterable[int],
) -> Float[torch.Tensor, "iterate batch time q"]:
    """Return sum_i (1 - (1 - u_i)^n) modes_i for every power n >= 0.

    Where an iteration shrinks the error along eigenvector i by 1 - u_i and ``modes`` holds the
    contributions to the prediction of the solution that it tends to, this is what it predicts after
    n steps from zero. Small u_i keep their relative accuracy.
    """
    u = contraction
    rate = torch.where(u < 1, (-u).log1p(), (u - 1).log())
    predictions = []
    for n in powers:
        if n == 0:
            predictions.append(torch.zeros_like(modes[:, :, 0]))
            continue
        gain = -(rate * float(n)).expm1()
        if n % 2:
            gain = torch.where(u > 1, 2 - gain, gain)
        predictions.append(torch.einsum("btp,btpq->btq", gain, modes))
    return torch.stack(predictions)

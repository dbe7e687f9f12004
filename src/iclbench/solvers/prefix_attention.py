"""Products and solves with causal (lower triangular) attention matrices.

Positions go by blocks, which bounds memory by a block's rows and keeps them in a processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jaxtyping import Float

from iclbench.lazy import torch

BLOCK = 128
"""Positions of a block, as measured for one solve; a sweep of depths goes by twice as many."""

Rows = Callable[[slice], "tuple[torch.Tensor, torch.Tensor]"]
"""Maps positions of a block to their rows, up to the block's end, of L and of A.

L_ts weighs the pairs s <= t, and A_ts those with s < t.
"""


def blocks(time: int, size: int) -> Iterator[slice]:
    """Yield the positions of each block."""
    for first in range(0, time, size):
        yield slice(first, min(first + size, time))


def causal_product(
    weights: Float[torch.Tensor, "batch queries keys"],
    values: Float[torch.Tensor, "batch keys q"],
) -> Float[torch.Tensor, "batch queries q"]:
    """Return weights @ values, where values that are not finite spoil what weighs them and no more.

    A plain product turns 0 * inf into NaN, and so carries an overflow back in time.
    """
    finite = values.isfinite()
    if finite.all():
        return weights @ values
    reached = (weights != 0).to(values) @ (~finite).to(values)
    return (weights @ values.where(finite, 0.0)).where(reached == 0, torch.nan)


def depth_limit(
    weights: Float[torch.Tensor, "batch time time"],
    outputs: Float[torch.Tensor, "batch time q"],
) -> Float[torch.Tensor, "batch time q"]:
    """Return L^{-1} Y, the limit of eta sum_k (I - eta L)^k Y, for lower triangular ``weights`` L.

    Where L_ss = 0 (with a kernel: x_s = 0, which no other input attends to) the coefficient does
    not matter, and 1 stands in for it.
    """
    diagonal = weights.diagonal(dim1=-2, dim2=-1)
    missing = torch.diag_embed((diagonal == 0).to(weights))
    return torch.linalg.solve_triangular(weights + missing, outputs, upper=False)


def limit_predictions(
    rows: Rows, outputs: Float[torch.Tensor, "batch time q"]
) -> Float[torch.Tensor, "batch time q"]:
    """Return A L^{-1} Y by forward substitution, in time T^2 and memory T."""
    coefficients, predictions = torch.zeros_like(outputs), torch.zeros_like(outputs)
    for now in blocks(outputs.shape[1], BLOCK):
        L, A = rows(now)
        past = slice(0, now.start)
        residual = outputs[:, now] - causal_product(L[..., past], coefficients[:, past])
        coefficients[:, now] = depth_limit(L[..., now], residual)
        predictions[:, now] = causal_product(A, coefficients[:, : now.stop])
    return predictions

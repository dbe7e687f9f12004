"""Products and solves with causal (lower triangular) attention matrices."""

from __future__ import annotations

from jaxtyping import Float

from iclbench.lazy import torch


def causal_product(
    weights: Float[torch.Tensor, "batch time time"],
    values: Float[torch.Tensor, "batch time q"],
) -> Float[torch.Tensor, "batch time q"]:
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

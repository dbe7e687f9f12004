"""The normal equations of every prefix of a prompt, and their solution direction by direction."""

from __future__ import annotations

from jaxtyping import Float

from iclbench.lazy import torch


def before(
    terms: Float[torch.Tensor, "batch time *shape"],
) -> Float[torch.Tensor, "batch time *shape"]:
    """Return sum_{s<t} terms_s at every t: the sum over the pairs that a predictor has seen.

    The sum is shifted, not reduced by its last term: not even a rounding error comes from t on.
    """
    sums = torch.zeros_like(terms)
    sums[:, 1:] = terms[:, :-1].cumsum(1)
    return sums


def moments(
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
) -> tuple[Float[torch.Tensor, "batch time p p"], Float[torch.Tensor, "batch time p q"]]:
    """Return S_t = sum_{s<t} x_s x_s^T and b_t = sum_{s<t} x_s y_s^T at every t; zero at the first.

    The weights w (p, q) of least squares on the pairs before t solve S_t w = b_t.
    """
    columns = inputs.unsqueeze(-1)
    return before(columns * inputs.unsqueeze(-2)), before(columns * outputs.unsqueeze(-2))


def eigen(
    S: Float[torch.Tensor, "*batch p p"],
) -> tuple[Float[torch.Tensor, "*batch p"], Float[torch.Tensor, "*batch p p"]]:
    """Return eigenvalues, ascending, and orthonormal eigenvectors (columns) of S = S^T >= 0.

    Eigenvalues within rounding of zero (8 p times the machine epsilon times the largest) are
    exactly zero, so that an iteration started in the range of S never leaves it. A matrix that is
    not finite has NaN eigenvalues.
    """
    finite = S.isfinite().all(-1).all(-1)[..., None]
    values, vectors = torch.linalg.eigh(S.where(finite[..., None], 0.0))
    floor = 8 * S.shape[-1] * torch.finfo(S.dtype).eps * values[..., -1:]
    return values.where(values > floor, 0.0).where(finite, torch.nan), vectors


def reciprocal(numbers: Float[torch.Tensor, "*shape"]) -> Float[torch.Tensor, "*shape"]:
    """Return 1 / numbers, and 0 where they are 0."""
    return (1 / numbers).where(numbers != 0, 0.0)

"""How alike two methods are: cosines of their residuals, or of the weights they act by."""

from __future__ import annotations

from jaxtyping import Float, Int

from iclbench.lazy import torch
from iclbench.measures.errors import mean_and_stderr

COSINES = 2**24
"""How many cosines are held at a time."""


def similarity_of_errors(
    first: Float[torch.Tensor, "first batch time q"],
    second: Float[torch.Tensor, "second batch time q"],
) -> tuple[Float[torch.Tensor, "first second"], Float[torch.Tensor, "first second"]]:
    """Return SimE(A, B) = E_prompts cos(e(A), e(B)) for all pairs of iterates, and its stderr.

    e(A) is the residual of a prompt over all its positions. The cosine of two zero residuals is 1,
    so that any method is like itself, and of a zero with another 0. Where an iterate's residual is
    not finite for some prompt, its similarities are NaN, and no others are.

    Args:
        first: Residuals, prediction - y_t, of the iterates of one method; or its predictions, where
            these are compared.
        second: Residuals of the iterates of another, on the same prompts.

    Source: Fu et al. 2024 (arXiv 2310.17086), similarity of errors.
    """
    return mean_cosines(directions(first), directions(second))


def directions(
    residuals: Float[torch.Tensor, "iterate batch time q"],
) -> Float[torch.Tensor, "batch iterate v"]:
    """Return e / |e| of every prompt, zero where e is, for ``mean_cosines`` with several others."""
    vectors = residuals.flatten(2).double().movedim(1, 0)
    largest = torch.linalg.vector_norm(vectors, torch.inf, dim=-1, keepdim=True)
    vectors = vectors / largest.where(largest != 0, 1)  # no square over- or underflows
    norm = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors.div_(norm.where(norm != 0, 1))


def mean_cosines(
    first: Float[torch.Tensor, "batch first v"], second: Float[torch.Tensor, "batch second v"]
) -> tuple[Float[torch.Tensor, "first second"], Float[torch.Tensor, "first second"]]:
    """Return ``similarity_of_errors`` from the directions of the residuals."""
    size = max(1, COSINES // (second.shape[0] * second.shape[1]))
    found = [mean_and_stderr(_cosines(part, second).movedim(0, 1)) for part in first.split(size, 1)]
    mean, stderr = (torch.cat(parts) for parts in zip(*found, strict=True))
    return mean, stderr


def similarity_of_weights(
    first: Float[torch.Tensor, "first batch prefix v"],
    second: Float[torch.Tensor, "second batch prefix v"],
) -> tuple[Float[torch.Tensor, "first second"], Float[torch.Tensor, "first second"]]:
    """Return SimW(A, B) = E_prompts (1/n) sum_t cos(w_t(A), w_t(B)), and its stderr.

    Args:
        first: Weights that the iterates of one method act by after each prefix t, flattened (see
            ``induced_weights``).
        second: Weights of another, for the same prompts and prefixes.

    Source: Fu et al. 2024 (arXiv 2310.17086), similarity of induced weights. Zeros and numbers that
    are not finite are taken as in ``similarity_of_errors``.
    """
    batch, prefixes = first.shape[1:3]
    ways = (directions(weights.flatten(1, 2).unsqueeze(-1)) for weights in (first, second))
    return mean_and_stderr(_cosines(*ways).unflatten(0, (batch, prefixes)).mean(1).movedim(0, 1))


def best_match(similarity: Float[torch.Tensor, "first second"]) -> Int[torch.Tensor, " first"]:
    """Return, for each iterate of the first method, the index of the most similar of the second.

    NaN is passed over; the lowest of equals is taken; -1 where all are NaN.
    """
    known = similarity.nan_to_num(nan=-torch.inf)
    index = (known == known.amax(1, keepdim=True)).int().argmax(1)
    return torch.where(similarity.isnan().all(1), -1, index)


def _cosines(
    first: Float[torch.Tensor, "batch first v"], second: Float[torch.Tensor, "batch second v"]
) -> Float[torch.Tensor, "batch first second"]:
    zero, other = (torch.linalg.vector_norm(each, dim=-1) == 0 for each in (first, second))
    cosines = (first @ second.mT).clamp_(-1, 1)
    return cosines.masked_fill_(zero[:, :, None] & other[:, None], 1) if zero.any() else cosines

"""How alike two methods are: cosines of their residuals, or of the weights they act by."""

from __future__ import annotations

from jaxtyping import Float, Int

from iclbench.lazy import torch
from iclbench.measures.errors import mean_and_stderr


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
    return _over_prompts(_cosines(first.flatten(2), second.flatten(2)))


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
    cosines = _cosines(first.flatten(1, 2), second.flatten(1, 2))
    return _over_prompts(cosines.unflatten(0, (batch, prefixes)).mean(1))


def best_match(similarity: Float[torch.Tensor, "first second"]) -> Int[torch.Tensor, " first"]:
    """Return, for each iterate of the first method, the index of the most similar of the second.

    NaN is passed over; the lowest of equals is taken; -1 where all are NaN.
    """
    known = similarity.nan_to_num(nan=-torch.inf)
    index = (known == known.amax(1, keepdim=True)).int().argmax(1)
    return torch.where(similarity.isnan().all(1), -1, index)


def _cosines(
    first: Float[torch.Tensor, "first batch v"], second: Float[torch.Tensor, "second batch v"]
) -> Float[torch.Tensor, "batch first second"]:
    a, b = _directions(first), _directions(second)
    both_zero = (a == 0).all(-1)[:, :, None] & (b == 0).all(-1)[:, None, :]
    return (a @ b.mT).clamp(-1, 1).masked_fill(both_zero, 1)


def _directions(
    vectors: Float[torch.Tensor, "first batch v"],
) -> Float[torch.Tensor, "batch first v"]:
    vectors = vectors.double().movedim(1, 0)
    largest = vectors.abs().amax(-1, keepdim=True)
    vectors = vectors / largest.where(largest != 0, 1)  # no square over- or underflows
    norm = vectors.norm(dim=-1, keepdim=True)
    return vectors / norm.where(norm != 0, 1)


def _over_prompts(
    cosines: Float[torch.Tensor, "batch first second"],
) -> tuple[Float[torch.Tensor, "first second"], Float[torch.Tensor, "first second"]]:
    return mean_and_stderr(cosines.movedim(0, 1))

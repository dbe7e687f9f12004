"""Rows of how alike two methods are, and which iterates match best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from iclbench.lazy import pd, torch
from iclbench.measures import best_match
from iclbench.records import make_rows


def match_rows(
    labels: Mapping[str, Any],
    iterates: Sequence[int],
    reference: str,
    reference_iterates: Sequence[int],
    similarity: Float[torch.Tensor, "first second"],
    stderr: Float[torch.Tensor, "first second"],
    *,
    n: int,
    prefix: str = "",
    fit: tuple[int, int] | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield rows of the similarity of one method with another at all iterates of both.

    ``similarity``, and by iterate of the first method ``best_match``, the iterate of the second
    that is most similar, and ``best_similarity``. Where both ends of ``fit`` are iterates,
    ``match_r2`` and ``match_r2_log2``, the share of the variance of the best matches (of their
    log2) between these that a line in the iterate explains; their ``iterate`` is the first.

    Args:
        labels: What all rows share; the method and its seed are those of the first.
        iterates: The iterates of the first method.
        reference: The second method.
        reference_iterates: Its iterates.
        similarity: As ``measures.similarity_of_errors`` returns it.
        stderr: Its standard error over prompts.
        n: How many prompts it is a mean over.
        prefix: What the names of the metrics begin with.
        fit: The first and the last iterate of the first method that a line is fitted over.
    """
    yield make_rows(
        labels,
        metric=f"{prefix}similarity",
        iterate=[[depth] for depth in iterates],
        reference=reference,
        reference_iterate=list(reference_iterates),
        value=similarity.numpy(),
        stderr=stderr.numpy(),
        n=n,
    )
    best = best_match(similarity)
    named = np.append(np.asarray(reference_iterates, dtype=float), np.nan)[best.numpy()]
    found = similarity.nan_to_num(nan=-1).amax(1).where(best >= 0, torch.nan)
    for metric, value in (("best_match", named), ("best_similarity", found.numpy())):
        yield make_rows(
            labels,
            metric=prefix + metric,
            iterate=list(iterates),
            reference=reference,
            value=value,
            n=n,
        )
    if fit is None or not set(fit) <= set(iterates):
        return
    chosen = [place for place, each in enumerate(iterates) if fit[0] <= each <= fit[1]]
    x, matches = np.asarray(iterates)[chosen], named[chosen]
    with np.errstate(divide="ignore", invalid="ignore"):
        for metric, y in (("match_r2", matches), ("match_r2_log2", np.log2(matches))):
            share = explained(x, y)
            if share is not None:
                same: dict[str, Any] = {"iterate": fit[0], "reference": reference, "n": n}
                yield make_rows(labels, metric=prefix + metric, value=share, **same)


def explained(x: Num[np.ndarray, " point"], y: Float[np.ndarray, " point"]) -> float | None:
    """Return R^2 of the line through points; None for fewer than three, or equal or infinite y."""
    if len(y) < 3 or not np.isfinite(y).all() or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1] ** 2)

"""Attention that weighs values by a function of the scaled inner products of query and key."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.attention import Attention
from iclbench.lazy import torch


def shown(
    scores: Float[torch.Tensor, "*batch queries keys"],
    mask: Bool[torch.Tensor, "*#batch #queries keys"] | int | None,
    hidden: float,
) -> Float[torch.Tensor, "*batch queries keys"]:
    """Return the scores with another number in place of those of keys that are not seen.

    The mask is that of `Weighted.weights`. What is hidden is replaced, not multiplied by zero:
    where a later score overflows, zero times infinity would reach earlier positions.
    """
    if mask is None:
        return scores
    if not isinstance(mask, int):
        return torch.where(mask, scores, hidden)
    triangle = scores.tril(mask)
    if hidden == 0:
        return triangle
    return triangle + scores.new_full(scores.shape[-2:], hidden).triu(mask + 1)


class Weighted(Attention):
    """o_t = sum_s a_ts v_s, where a_ts is a function of the scores z_ts = scale <q_t, k_s>."""

    scale: Annotated[float, Field(gt=0)] | Literal["inverse_sqrt"] = Field(
        default=1.0,
        description="factor of the inner product of query and key; inverse_sqrt is 1 over the "
        "square root of the width of a key",
    )

    def factor(self, width: int) -> float:
        """Return the factor of the inner products of keys of this width."""
        return width**-0.5 if self.scale == "inverse_sqrt" else self.scale

    def scores(
        self,
        query: Float[torch.Tensor, "*#batch queries key"],
        key: Float[torch.Tensor, "*#batch keys key"],
    ) -> Float[torch.Tensor, "*_ queries keys"]:
        """Return z_ts = scale <q_t, k_s>."""
        return (self.factor(query.shape[-1]) * query) @ key.mT

    @abstractmethod
    def weights(
        self,
        query: Float[torch.Tensor, "*#batch queries key"],
        key: Float[torch.Tensor, "*#batch keys key"],
        mask: Bool[torch.Tensor, "*#batch #queries keys"] | int | None,
    ) -> Float[torch.Tensor, "*_ queries keys"]:
        """Return a_ts, zero where query t does not see key s by the mask; None: it sees all.

        The mask is a tensor, or a number m: query t sees the keys s <= t + m, counted from 0.
        """

    @override
    def _attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None,
    ) -> Float[torch.Tensor, "*batch time value"]:
        return self.weights(query, key, mask=0) @ value

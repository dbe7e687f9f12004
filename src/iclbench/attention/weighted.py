"""Attention that weighs values by a function of the scaled inner products of query and key."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.attention import Attention
from iclbench.lazy import torch


def causal_mask(
    time: int, *, diagonal: bool = True, first: int = 0, device: torch.device | None = None
) -> Bool[torch.Tensor, "queries time"]:
    """Return which keys s the queries t >= first see: s <= t, or s < t without the diagonal."""
    everything = torch.ones(time - first, time, dtype=torch.bool, device=device)
    return everything.tril(first if diagonal else first - 1)


def shown(
    scores: Float[torch.Tensor, "*batch queries keys"],
    mask: Bool[torch.Tensor, "*#batch #queries keys"] | None,
    hidden: float,
) -> Float[torch.Tensor, "*batch queries keys"]:
    """Return the scores with another number in place of those of keys that are not seen.

    A product with the mask would take half the time; but where a later score overflows, zero times
    infinity would reach earlier positions.
    """
    return scores if mask is None else torch.where(mask, scores, hidden)


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
        mask: Bool[torch.Tensor, "*#batch #queries keys"] | None,
    ) -> Float[torch.Tensor, "*_ queries keys"]:
        """Return a_ts, zero where query t does not see key s by the mask; None: it sees all."""

    @override
    def _attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None,
    ) -> Float[torch.Tensor, "*batch time value"]:
        mask = causal_mask(query.shape[-2], device=query.device)
        return self.weights(query, key, mask) @ value

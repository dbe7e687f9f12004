"""Linear attention by all pairs of positions, those to come masked."""

from __future__ import annotations

from jaxtyping import Float

from iclbench.lazy import torch


def attend(
    query: Float[torch.Tensor, "*batch time key"],
    key: Float[torch.Tensor, "*batch time key"],
    value: Float[torch.Tensor, "*batch time value"],
) -> Float[torch.Tensor, "*batch time value"]:
    """Return sum_{s <= t} <q_t, k_s> v_s by the masked matrix of all <q_t, k_s>."""
    time = query.shape[-2]
    mask = torch.ones(time, time, dtype=torch.bool).tril()
    return (query @ key.mT).masked_fill(~mask, 0) @ value

"""An attention layer from explicit weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float

from iclbench.attention.weighted import Weighted
from iclbench.lazy import torch


@dataclass(frozen=True)
class Head:
    """The attention and the four matrices of a head; leading dimensions are those of prompts.

    Attributes:
        attention: The kind of attention.
        query: W_Q.
        key: W_K.
        value: W_V.
        output: W_O, which writes what the head read into the token.
    """

    attention: Weighted
    query: Float[torch.Tensor, "*_ key token"]
    key: Float[torch.Tensor, "*_ key token"]
    value: Float[torch.Tensor, "*_ value token"]
    output: Float[torch.Tensor, "*_ token value"]


def blocks(like: torch.Tensor, **widths: int) -> dict[str, Float[torch.Tensor, "_ token"]]:
    """Return the matrix that reads each block of a token; its transpose writes the block.

    Args:
        like: A tensor of the dtype and device wanted.
        widths: The blocks of a token in their order, by name.
    """
    identity = torch.eye(sum(widths.values()), dtype=like.dtype, device=like.device)
    return dict(zip(widths, identity.split(list(widths.values())), strict=True))


def attend_to_context(
    tokens: Float[torch.Tensor, "prompt token width"], heads: Sequence[Head]
) -> Float[torch.Tensor, "prompt token width"]:
    """Return z_i + sum_h W_O^h sum_j a_ij^h W_V^h z_j, where j runs over all tokens but the last.

    The last is the query, which no token attends to.
    """
    context = tokens[:, :-1]
    updates = tokens
    for head in heads:
        weights = head.attention.weights(tokens @ head.query.mT, context @ head.key.mT, None)
        updates = updates + weights @ (context @ head.value.mT) @ head.output.mT
    return updates


def attend_causally(
    tokens: Float[torch.Tensor, "*prompt time width"],
    heads: Sequence[Head],
    gate: Float[torch.Tensor, "*prompt time 1"],
) -> Float[torch.Tensor, "*prompt time width"]:
    """Return z_t + sum_h W_O^h sum_{s<=t} a_ts^h g_s W_V^h z_s, with a gate g_s on values.

    A token that overflowed makes itself and later ones NaN, never earlier ones (as 0 times inf).
    """
    alive = tokens.isfinite().all(-1, keepdim=True).cumprod(-2).bool()
    safe = torch.where(alive, tokens, 0)
    updates = safe
    for head in heads:
        values = gate * (safe @ head.value.mT)
        attended = head.attention.attend(safe @ head.query.mT, safe @ head.key.mT, values)
        updates = updates + attended @ head.output.mT
    return torch.where(alive, updates, torch.nan)

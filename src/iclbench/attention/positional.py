"""Attention whose weights are a product of token scores and positional scores."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field

from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.lazy import torch


def attend_with_positions(
    query: Float[torch.Tensor, "*#batch time key"],
    key: Float[torch.Tensor, "*#batch time key"],
    position_query: Float[torch.Tensor, "*#batch time key"],
    position_key: Float[torch.Tensor, "*#batch time key"],
    value: Float[torch.Tensor, "*#batch time value"],
    scale: Annotated[float, Field(gt=0)] | Literal["inverse_sqrt"] = "inverse_sqrt",
) -> Float[torch.Tensor, "*_ time value"]:
    """Return o_t = sum_{s <= t} a^tok_ts a^pos_ts v_s, linear in tokens, softmax in positions.

    a^tok_ts = scale <q_t, k_s> and a^pos_t = softmax_{s <= t}(scale <q^pos_t, k^pos_s>): the
    non-augmented model of Sander et al. 2024 (arXiv 2402.05787, Fig. 7), as its code has it.

    Args:
        query: q_t, from tokens.
        key: k_s, from tokens.
        position_query: q^pos_t, from the embedding of position t.
        position_key: k^pos_s, from the embedding of position s.
        value: v_s, from tokens.
        scale: The factor of both inner products.
    """
    tokens = Linear(kind="linear", scale=scale).scores(query, key)
    positions = Softmax(kind="softmax", scale=scale).weights(position_query, position_key, mask=0)
    return (tokens * positions) @ value

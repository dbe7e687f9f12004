"""Every prefix of every prompt as a prompt of its own.

A construction with full attention among the pairs of a context computes one prefix at a time. Here
the prefixes of all prompts become one batch, in pieces that bound the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int

from iclbench.lazy import torch

SCORES = 2**19
"""How many attention weights a piece may hold: 4 MiB in float64, about what a cache holds."""


@dataclass(frozen=True)
class Prefixes:
    """Prompts of one context and one query each; what lies behind the query is zero.

    Attributes:
        inputs: x of the context and of the query.
        labels: y of the context, zero at the query.
        context: Which tokens are keys and values: those before the query.
        query: The index of the query.
    """

    inputs: Float[torch.Tensor, "prompt token p"]
    labels: Float[torch.Tensor, "prompt token q"]
    context: Bool[torch.Tensor, "prompt 1 token"]
    query: Int[torch.Tensor, " prompt"]

    def at_query(
        self, tokens: Float[torch.Tensor, "prompt token width"]
    ) -> Float[torch.Tensor, "prompt width"]:
        """Return the query token of each prompt."""
        return tokens[torch.arange(len(tokens), device=tokens.device), self.query]


def over_prefixes(
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
    predict: Callable[[Prefixes], torch.Tensor],
) -> Float[torch.Tensor, "iterate batch time q"]:
    """Return what ``predict`` says, (iterate, prompt, q), of the query x_t behind every context."""
    batch, time, _ = inputs.shape
    # Prefixes of like length lie side by side: a piece is as long as the longest in it.
    numbers = torch.arange(batch * time, device=inputs.device)
    pieces = []
    for piece in numbers.split(max(1, SCORES // time**2)):
        query = piece // batch
        prompt = piece % batch
        longest = int(query[-1]) + 1
        position = torch.arange(longest, device=inputs.device)
        context = position < query[:, None]
        known = position <= query[:, None]
        pieces.append(
            predict(
                Prefixes(
                    inputs=torch.where(known.unsqueeze(-1), inputs[prompt, :longest], 0),
                    labels=torch.where(context.unsqueeze(-1), outputs[prompt, :longest], 0),
                    context=context.unsqueeze(-2),
                    query=query,
                )
            )
        )
    return torch.cat(pieces, dim=1).unflatten(1, (time, batch)).transpose(1, 2)

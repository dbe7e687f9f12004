"""Every prefix of every prompt as a prompt of its own.

A construction with full attention among the pairs of a context computes one prefix at a time. Here
the prefixes of one length, of all prompts, are one batch, in pieces that bound the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float

from iclbench.lazy import torch

SCORES = 2**19
"""How many attention weights a piece may hold: 4 MiB in float64, about what a cache holds."""


@dataclass(frozen=True)
class Prefixes:
    """Prompts of one context, of t pairs, and one query each, the last token.

    Attributes:
        inputs: x of the context and of the query.
        labels: y of the context, zero at the query.
    """

    inputs: Float[torch.Tensor, "prompt token p"]
    labels: Float[torch.Tensor, "prompt token q"]


def over_prefixes(
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
    predict: Callable[[Prefixes], torch.Tensor],
) -> Float[torch.Tensor, "iterate batch time q"]:
    """Return what ``predict`` says, (iterate, prompt, q), of the query x_t behind every context."""
    predictions = []
    for t in range(inputs.shape[1]):
        labels = torch.nn.functional.pad(outputs[:, :t], (0, 0, 0, 1))
        size = max(1, SCORES // (t + 1) ** 2)
        pieces = zip(inputs[:, : t + 1].split(size), labels.split(size), strict=True)
        predictions.append(torch.cat([predict(Prefixes(*piece)) for piece in pieces], dim=1))
    return torch.stack(predictions, dim=2)

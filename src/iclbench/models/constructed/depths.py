"""The depths at which a constructed transformer is read out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Annotated

from jaxtyping import Float
from pydantic import AfterValidator, Field

from iclbench.lazy import torch


def _ascending(depths: tuple[int, ...]) -> tuple[int, ...]:
    if any(left >= right for left, right in pairwise(depths)):
        raise ValueError(f"depths {list(depths)} must ascend; sort them and drop repetitions")
    return depths


Depths = Annotated[
    tuple[Annotated[int, Field(ge=1, le=100_000)], ...],
    Field(min_length=1, max_length=100, description="numbers of layers to read out at, ascending"),
    AfterValidator(_ascending),
]

DEPTHS = (1, 2, 4, 8, 16)


def read_at(
    depths: tuple[int, ...],
    tokens: Float[torch.Tensor, "*batch token width"],
    layer: Callable[[torch.Tensor], torch.Tensor],
    read: Callable[[torch.Tensor], torch.Tensor],
) -> Float[torch.Tensor, "depth ..."]:
    """Apply the same layer again and again, and return what is read from the tokens at depths."""
    readings = []
    for depth in range(1, depths[-1] + 1):
        tokens = layer(tokens)
        if depth in depths:
            readings.append(read(tokens))
    return torch.stack(readings)

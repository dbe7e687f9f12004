"""The depths at which a constructed transformer is read out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from jaxtyping import Float
from pydantic import AfterValidator, Field

from iclbench.lazy import torch
from iclbench.method import ascending

Depths = Annotated[
    tuple[Annotated[int, Field(ge=1, le=100_000)], ...],
    Field(min_length=1, max_length=100, description="numbers of layers to read out at, ascending"),
    AfterValidator(ascending),
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

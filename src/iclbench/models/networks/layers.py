"""Layers of an ensemble: torch's own, with the parameters of every seed side by side.

Every network holds the parameters of S seeds, the seed being their first dimension, and maps
prompts (S,B,T,p), of each seed its own. Where it is built it is one seed, S = 1. A product with the
parameters is one batched product for all seeds, so that small networks do not cost a call each.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn


def product(
    rows: Float[torch.Tensor, "seed *batch inputs"],
    matrix: Float[torch.Tensor, "seed inputs outputs"],
    bias: Float[torch.Tensor, "seed outputs"] | None = None,
) -> Float[torch.Tensor, "seed *batch outputs"]:
    """Return the rows of every seed times its matrix, as one product a seed, plus its bias."""
    if rows.shape[0] == matrix.shape[0] == 1:
        # A product of two matrices is faster than a batch of one such.
        bias = None if bias is None else bias.squeeze(0)
        return nn.functional.linear(rows, matrix.squeeze(0).mT, bias)
    flat = rows.flatten(1, -2)
    found = flat @ matrix if bias is None else torch.baddbmm(bias[:, None], flat, matrix)
    return found.unflatten(1, rows.shape[1:-1])


class Linear(nn.Module):
    """z -> W z + b, drawn as torch's is."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        drawn = nn.Linear(inputs, outputs, bias)
        self.weight = nn.Parameter(drawn.weight.detach()[None])
        self.bias = nn.Parameter(drawn.bias.detach()[None]) if bias else None

    def forward(
        self, z: Float[torch.Tensor, "seed *batch inputs"]
    ) -> Float[torch.Tensor, "seed *batch outputs"]:
        """Return W z + b."""
        return product(z, self.weight.mT, self.bias)


class LayerNorm(nn.Module):
    """Tokens of mean 0 and variance 1, times a vector plus another, at first 1 and 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, width))
        self.bias = nn.Parameter(torch.zeros(1, width))

    def forward(
        self, z: Float[torch.Tensor, "seed *batch width"]
    ) -> Float[torch.Tensor, "seed *batch width"]:
        """Return the tokens normalised."""
        if z.shape[0] == self.weight.shape[0] == 1:
            weight, bias = self.weight.squeeze(0), self.bias.squeeze(0)
            return nn.functional.layer_norm(z, z.shape[-1:], weight, bias)
        rows = nn.functional.layer_norm(z, z.shape[-1:]).flatten(1, -2)
        return torch.addcmul(self.bias[:, None], rows, self.weight[:, None]).view(z.shape)


def split_heads(
    z: Float[torch.Tensor, "*batch time flat"], heads: int
) -> Float[torch.Tensor, "*batch head time width"]:
    """Return what all heads hold in one row as one row a head."""
    return z.unflatten(-1, (heads, -1)).transpose(-3, -2)

"""GPT-2 on interleaved tokens x_1, y_1, x_2, and so on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from iclbench.models.gpt2 import GPT2
from iclbench.models.layouts import interleaved
from iclbench.models.networks.layers import LayerNorm, Linear, split_heads

EVERY, READ = slice(None), slice(None, None, 2)
"""Tokens: all, and those of x_t, which are read out."""


class GPT2Network(nn.Module):
    """The network of `GPT2`, initialised as GPT-2 is; maps in and out are torch's default.

    Garg et al. 2022 (arXiv 2208.01066).
    """

    def __init__(self, settings: GPT2, input_dim: int, length: int) -> None:
        super().__init__()
        self.layers = settings.layers
        self.read_in = Linear(input_dim, settings.width)
        self.positions = nn.Parameter(
            settings.init_std * torch.randn(1, 2 * length - 1, settings.width)
        )
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = LayerNorm(settings.width)
        self.readout = Linear(settings.width, 1)
        self.probes = nn.ModuleList(Linear(settings.width, 1) for _ in range(settings.layers - 1))

    def forward(
        self,
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time 1"],
        states: bool = False,
    ) -> Float[torch.Tensor, "seed layer batch time read"]:
        """Return the predictions after every layer, or with ``states`` what they are read from.

        That is the residual stream at x_t, after the last layer normalised.
        """
        tokens = interleaved(inputs, outputs)
        x = self.read_in(tokens) + self.positions[:, None, : tokens.shape[2]]
        read = []
        for number, block in enumerate(self.blocks, start=1):
            is_last = number == self.layers
            x = block(x, READ) if is_last else block(x)
            read.append(x if is_last else x[:, :, READ])
        read[-1] = self.norm(read[-1])
        if states:
            return torch.stack(read, dim=1)
        inner = [probe(each.detach()) for probe, each in zip(self.probes, read[:-1], strict=True)]
        return torch.stack([*inner, self.readout(read[-1])], dim=1)


class Block(nn.Module):
    """x <- x + attention(LN x), then x <- x + MLP(LN x)."""

    def __init__(self, settings: GPT2) -> None:
        super().__init__()
        width = settings.width
        self.attention = settings.attention
        self.heads = settings.heads
        self.attention_norm = LayerNorm(width)
        self.query, self.key, self.value = (Linear(width, width) for _ in range(3))
        self.mix = Linear(width, width)
        gates = settings.heads * settings.attention.gates
        self.gates = Linear(width, gates) if gates else None
        self.mlp_norm = LayerNorm(width)
        self.expand = Linear(width, 4 * width)
        self.contract = Linear(4 * width, width)
        for linear in self.modules():
            if isinstance(linear, Linear):
                is_residual = linear in (self.mix, self.contract)
                scale = (2 * settings.layers) ** -0.5 if is_residual else 1
                nn.init.normal_(linear.weight, std=settings.init_std * scale)
                if linear.bias is not None:
                    nn.init.zeros_(linear.bias)

    def forward(
        self, x: Float[torch.Tensor, "seed batch time width"], read: slice = EVERY
    ) -> Float[torch.Tensor, "seed batch read width"]:
        """Return the next residual stream, at the tokens that are read behind it."""
        normed = self.attention_norm(x)
        query, key, value = (
            split_heads(part(normed), self.heads) for part in (self.query, self.key, self.value)
        )
        gates = None
        if self.gates is not None:
            gates = split_heads(self.gates(normed).sigmoid(), self.heads)
        attended = self.attention.attend(query, key, value, gates)
        x = x[:, :, read] + self.mix(attended.transpose(-3, -2).flatten(-2)[:, :, read])
        hidden = nn.functional.gelu(self.expand(self.mlp_norm(x)))
        return x + self.contract(hidden)

"""A transformer of attention alone, on plain or augmented tokens."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from iclbench.attention.linear import Linear as LinearAttention
from iclbench.attention.positional import attend_with_positions
from iclbench.models.attention_only import AttentionOnly
from iclbench.models.layouts import augmented, plain
from iclbench.models.networks.layers import LayerNorm, Linear, split_heads


class AttentionOnlyNetwork(nn.Module):
    """The network of `AttentionOnly`; Sander et al. 2024 (arXiv 2402.05787), Figs. 5 and 7."""

    def __init__(
        self, settings: AttentionOnly, input_dim: int, output_dim: int, length: int
    ) -> None:
        super().__init__()
        self.settings = settings
        width = input_dim * (3 if settings.layout == "augmented" else settings.repeat)
        if settings.positional:
            self.positions = nn.Parameter(torch.randn(1, length, width))
        distinct = 1 if settings.share else settings.layers
        self.blocks = nn.ModuleList(Block(settings, width) for _ in range(distinct))
        self.readout = Linear(width, output_dim, settings.bias)
        self.probes = nn.ModuleList(
            Linear(width, output_dim, settings.bias) for _ in range(settings.layers - 1)
        )

    def forward(
        self,
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time q"],
    ) -> Float[torch.Tensor, "seed layer batch time q"]:
        """Return the predictions after every layer."""
        del outputs  # they are the inputs, one step later
        x = (
            augmented(inputs)
            if self.settings.layout == "augmented"
            else plain(inputs, self.settings.repeat)
        )
        positions = self.positions[:, : x.shape[2]] if self.settings.positional else None
        predictions = []
        for depth in range(self.settings.layers):
            x = self.blocks[depth % len(self.blocks)](x, positions)
            last = depth == self.settings.layers - 1
            predictions.append(self.readout(x) if last else self.probes[depth](x.detach()))
        return torch.stack(predictions, dim=1)


class Block(nn.Module):
    """One layer: causal attention whose heads have the width of a token and are summed."""

    def __init__(self, settings: AttentionOnly, width: int) -> None:
        super().__init__()
        self.settings = settings
        self.query, self.key, self.value = (
            Linear(width, settings.heads * width, settings.bias) for _ in range(3)
        )
        self.mix = Linear(width, width, settings.bias)
        self.norm = LayerNorm(width) if settings.layer_norm else nn.Identity()
        gates = settings.heads * settings.attention.gates
        self.gates = Linear(width, gates) if gates else None

    def forward(
        self,
        x: Float[torch.Tensor, "seed batch time width"],
        positions: Float[torch.Tensor, "seed time width"] | None,
    ) -> Float[torch.Tensor, "seed batch time width"]:
        """Return the next tokens."""
        attention, heads = self.settings.attention, self.settings.heads
        query, key, value = (
            split_heads(part(x), heads) for part in (self.query, self.key, self.value)
        )
        if positions is None:
            gates = None if self.gates is None else split_heads(self.gates(x).sigmoid(), heads)
            attended = attention.attend(query, key, value, gates)
        else:
            assert isinstance(attention, LinearAttention)
            attended = attend_with_positions(
                query,
                key,
                split_heads(self.query(positions), heads)[:, None],
                split_heads(self.key(positions), heads)[:, None],
                value,
                attention.scale,
            )
        change = self.norm(self.mix(attended.sum(-3)))
        return x + change if self.settings.residual else change

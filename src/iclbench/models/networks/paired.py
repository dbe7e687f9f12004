"""A transformer of attention alone on tokens (x; y)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from iclbench.attention.weighted import Weighted, causal_mask
from iclbench.models.layouts import paired
from iclbench.models.paired import Paired


class PairedNetwork(nn.Module):
    """The network of `Paired`; Cheng et al. 2024 (arXiv 2312.06528), section 2."""

    def __init__(self, settings: Paired, input_dim: int, output_dim: int) -> None:
        super().__init__()
        self.has_prefixes = settings.context == "prefix"
        self.output_dim = output_dim
        self.blocks = nn.ModuleList(
            Block(settings, input_dim, output_dim) for _ in range(settings.layers)
        )

    def forward(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "layer batch time q"]:
        """Return minus the query's label after each layer, all but the last detached."""
        context, query = paired(inputs, outputs)
        known = causal_mask(context.shape[1], diagonal=False, device=context.device)
        if self.has_prefixes:
            # Row t of a new axis is the context at position t; tokens from t on are zeroed.
            context = context[:, None] * known[..., None]
        predictions = []
        for block in self.blocks:
            context, query = block(context, query)
            predictions.append(-query[..., -self.output_dim :])
        # Read along the way, not trained for: only the last prediction leads back to the weights.
        return torch.stack([*(each.detach() for each in predictions[:-1]), predictions[-1]])


class Block(nn.Module):
    """One layer: what context and query tokens receive from the context tokens, added to them."""

    def __init__(self, settings: Paired, input_dim: int, output_dim: int) -> None:
        super().__init__()
        self.attention = settings.attention
        self.has_prefixes = settings.context == "prefix"
        self.is_mean = settings.mean
        self.input_dim = input_dim
        self.is_dense = settings.value == "dense"
        width = input_dim + output_dim
        seen = width if self.is_dense else input_dim

        def weights(size: int) -> nn.Parameter:
            return nn.Parameter(settings.init_std * torch.randn(settings.heads, size, size))

        self.query, self.key = weights(seen), weights(seen)
        if self.is_dense:
            self.value = weights(width)
        else:
            self.value_inputs, self.value_labels = weights(input_dim), weights(output_dim)
        gates = settings.heads * settings.attention.gates
        self.gates = nn.Linear(width, gates) if gates else None

    def forward(
        self,
        context: Float[torch.Tensor, "batch *prefix time width"],
        query: Float[torch.Tensor, "batch position width"],
    ) -> tuple[
        Float[torch.Tensor, "batch *prefix time width"],
        Float[torch.Tensor, "batch position width"],
    ]:
        """Return the next tokens; with prefixes, each position has context tokens of its own."""
        within = self.within_prefixes if self.has_prefixes else self.in_order
        return within(context, query)

    def in_order(
        self,
        context: Float[torch.Tensor, "batch time width"],
        query: Float[torch.Tensor, "batch time width"],
    ) -> tuple[Float[torch.Tensor, "batch time width"], Float[torch.Tensor, "batch time width"]]:
        """Context tokens attend to s <= t, query tokens to s < t."""
        key, value = _project(self.key, context), self.values(context)
        gates = None
        if self.gates is not None:
            heads = len(self.query)
            gates = self.gates(context).sigmoid().unflatten(-1, (heads, -1)).transpose(-3, -2)

        def received(
            tokens: Float[torch.Tensor, "batch time width"], diagonal: bool
        ) -> Float[torch.Tensor, "batch time width"]:
            projected = _project(self.query, tokens)
            total = self.attention.attend(projected, key, value, gates, diagonal=diagonal).sum(-3)
            if not self.is_mean:
                return total
            seen = torch.arange(tokens.shape[-2], device=tokens.device) + diagonal
            return total / seen.clamp_min(1)[:, None]

        return context + received(context, True), query + received(query, False)

    def within_prefixes(
        self,
        context: Float[torch.Tensor, "batch prefix time width"],
        query: Float[torch.Tensor, "batch prefix width"],
    ) -> tuple[
        Float[torch.Tensor, "batch prefix time width"], Float[torch.Tensor, "batch prefix width"]
    ]:
        """Context and query tokens of prefix t all attend to s < t."""
        assert isinstance(self.attention, Weighted)
        known = causal_mask(query.shape[1], diagonal=False, device=query.device)
        tokens = torch.cat([context, query[..., None, :]], dim=-2)
        weights = self.attention.weights(
            _project(self.query, tokens), _project(self.key, context), known[:, None, None]
        )
        total = (weights @ self.values(context)).sum(-3)
        if self.is_mean:
            total = total / known.sum(-1).clamp_min(1)[:, None, None]
        tokens = tokens + total
        return tokens[..., :-1, :], tokens[..., -1, :]

    def values(
        self, tokens: Float[torch.Tensor, "*batch time width"]
    ) -> Float[torch.Tensor, "*batch head time width"]:
        """Return V_h z for every head h."""
        if self.is_dense:
            return _project(self.value, tokens)
        labels = tokens[..., self.input_dim :]
        return torch.cat(
            [_project(self.value_inputs, tokens), _project(self.value_labels, labels)], dim=-1
        )


def _project(
    weights: Float[torch.Tensor, "head size size"], tokens: Float[torch.Tensor, "*batch time width"]
) -> Float[torch.Tensor, "*batch head time size"]:
    """Return W_h z, or W_h x where W_h has the size of the inputs, for every head h."""
    seen = tokens[..., : weights.shape[-1]]
    return torch.einsum("...tj,hij->...hti", seen, weights)

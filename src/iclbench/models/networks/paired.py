"""A transformer of attention alone on tokens (x; y)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import nn

from iclbench.attention.weighted import Weighted
from iclbench.models.layouts import paired
from iclbench.models.networks.layers import Linear, product, split_heads
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
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time q"],
        last: bool = False,
    ) -> Float[torch.Tensor, "seed layer batch queries q"]:
        """Return minus the query's label after each layer, all but the last detached.

        Of all positions, or of the last alone: with ``context: prefix`` it is the only prefix then.
        """
        context, query = paired(inputs, outputs)
        read = self._prefixes if self.has_prefixes else self._in_order
        predictions = read(context, query, last)
        # Read along the way, not trained for: only the last prediction leads back to the weights.
        return torch.stack([*(each.detach() for each in predictions[:-1]), predictions[-1]], dim=1)

    def _in_order(
        self,
        context: Float[torch.Tensor, "seed batch time width"],
        query: Float[torch.Tensor, "seed batch time width"],
        last: bool,
    ) -> list[Float[torch.Tensor, "seed batch queries q"]]:
        predictions = []
        for number, block in enumerate(self.blocks, start=1):
            context, query = block(context, query, number == len(self.blocks))
            read = query[..., -1:, :] if last else query
            predictions.append(-read[..., -self.output_dim :])
        return predictions

    def _prefixes(
        self,
        context: Float[torch.Tensor, "seed batch time width"],
        query: Float[torch.Tensor, "seed batch time width"],
        last: bool,
    ) -> list[Float[torch.Tensor, "seed batch queries q"]]:
        query = query[..., -1:, :] if last else query
        positions, length = query.shape[-2], context.shape[-2] - 1
        # Which tokens before the last position the last positions see: s < t.
        ends = torch.arange(length + 1 - positions, length + 1, device=query.device)
        known = torch.arange(length, device=query.device) < ends[:, None]
        # Row t of a new axis is the prefix at position t; what lies between it and the query is 0.
        tokens = context[..., None, :-1, :] * known[..., None]
        tokens = torch.cat([tokens, query[..., None, :]], dim=-2)
        predictions = []
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, Block)
            # Nothing reads the context behind the last layer.
            kept = tokens if number < len(self.blocks) else tokens[..., -1:, :]
            tokens = kept + block.from_prefixes(kept, tokens[..., :-1, :], known)
            predictions.append(-tokens[..., -1, -self.output_dim :])
        return predictions


class Block(nn.Module):
    """One layer: what context and query tokens receive from the context tokens, added to them."""

    def __init__(self, settings: Paired, input_dim: int, output_dim: int) -> None:
        super().__init__()
        self.attentions = settings.attentions
        self.is_mean = settings.mean
        self.input_dim, self.output_dim = input_dim, output_dim
        width = input_dim + output_dim
        self.seen = width if settings.value == "dense" else input_dim
        self.read_from = input_dim if settings.value == "labels" else 0

        def weights(size: int) -> nn.Parameter:
            return nn.Parameter(settings.init_std * torch.randn(1, settings.heads, size, size))

        self.query, self.key = weights(self.seen), weights(self.seen)
        self.value = weights(width) if settings.value == "dense" else None
        self.value_inputs = weights(input_dim) if settings.value == "block" else None
        self.value_labels = None if settings.value == "dense" else weights(output_dim)
        gates = settings.heads * sum(attention.gates for attention, _ in self.attentions)
        self.gates = Linear(width, gates) if gates else None

    def forward(
        self,
        context: Float[torch.Tensor, "seed batch time width"],
        query: Float[torch.Tensor, "seed batch time width"],
        is_last: bool,
    ) -> tuple[
        Float[torch.Tensor, "seed batch time width"], Float[torch.Tensor, "seed batch time width"]
    ]:
        """Return the next tokens: context tokens attend to s <= t, query tokens to s < t.

        Nothing reads the context behind the last layer, which leaves it as it is.
        """
        key = _project(self.key, context)
        values = _project(self.values(), context[..., self.read_from :])
        gates = None
        if self.gates is not None:
            gates = split_heads(self.gates(context).sigmoid(), self.query.shape[1])

        def received(
            tokens: Float[torch.Tensor, "seed batch time width"], diagonal: bool
        ) -> Float[torch.Tensor, "seed batch time width"]:
            projected = _project(self.query, tokens)
            total = torch.zeros_like(tokens)
            for attention, heads in self.attentions:
                attended = attention.attend(
                    projected[:, :, heads],
                    key[:, :, heads],
                    values[:, :, heads],
                    gates,
                    diagonal=diagonal,
                )
                total = total + attended.sum(-3)
            if not self.is_mean:
                return total
            seen = torch.arange(tokens.shape[-2], device=tokens.device) + diagonal
            return total / seen.clamp_min(1)[:, None]

        following = context if is_last else context + received(context, True)
        return following, query + received(query, False)

    def from_prefixes(
        self,
        tokens: Float[torch.Tensor, "seed batch prefix token width"],
        context: Float[torch.Tensor, "seed batch prefix time width"],
        known: Bool[torch.Tensor, "prefix time"],
    ) -> Float[torch.Tensor, "seed batch prefix token width"]:
        """Return what tokens of prefix t receive from the context tokens s < t.

        Scores are x_i^T (B^T C) x_j and values are projected behind their mean: products with the
        small matrices cost less than with tokens, and the heads of a group lie side by side.
        """
        products = self.query.mT @ self.key
        values = self.values()
        total = torch.zeros_like(tokens)
        for attention, heads in self.attentions:
            assert isinstance(attention, Weighted)
            queries = _project(products[:, heads].mT, tokens[..., : self.seen])
            weights = attention.weights(
                queries.flatten(-3, -2), context[..., : self.seen], known[:, None]
            )
            read = weights @ context[..., self.read_from :]
            read = read.unflatten(-2, queries.shape[-3:-1]).transpose(-3, -2).flatten(-2)
            total = total + product(read, values[:, heads].mT.flatten(1, 2))
        if self.is_mean:
            total = total / known.sum(-1).clamp_min(1)[:, None, None]
        return total

    def values(self) -> Float[torch.Tensor, "seed head width read"]:
        """Return V_h, without the columns that nothing is read from."""
        if self.value is not None:
            return self.value
        assert self.value_labels is not None
        to_labels = nn.functional.pad(self.value_labels, (0, 0, self.input_dim, 0))
        if self.value_inputs is None:
            return to_labels
        to_inputs = nn.functional.pad(self.value_inputs, (0, 0, 0, self.output_dim))
        return torch.cat([to_inputs, to_labels], dim=-1)


def _project(
    weights: Float[torch.Tensor, "seed head out in"],
    tokens: Float[torch.Tensor, "seed *batch time width"],
) -> Float[torch.Tensor, "seed *batch head time out"]:
    """Return W_h z, or W_h x where W_h has the size of the inputs, for every head h."""
    seen = tokens[..., : weights.shape[-1]]
    return split_heads(product(seen, weights.flatten(1, 2).mT), weights.shape[1])

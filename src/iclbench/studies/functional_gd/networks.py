"""The network of several models side by side."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from iclbench.attention.attention import Attention
from iclbench.attention.linear import Linear
from iclbench.attention.weighted import Weighted
from iclbench.models.networks.layers import product, split_heads
from iclbench.models.networks.paired import PairedNetwork
from iclbench.models.paired import Paired


class Heads(nn.Module):
    """The parameters of a model: B, C and r of all heads, layer by layer."""

    def __init__(self, network: PairedNetwork) -> None:
        super().__init__()
        blocks = [block.state_dict() for block in network.blocks]
        self.query, self.key, self.value_labels = (
            nn.Parameter(torch.cat([block[name] for block in blocks], dim=1))
            for name in ("query", "key", "value_labels")
        )


class SideBySideNetwork(nn.Module):
    """The network of `SideBySide`; ``probes`` are the models, whose layers come in steps.

    The last layers of all models come in the last step.
    """

    def __init__(self, models: tuple[Paired, ...], input_dim: int) -> None:
        super().__init__()
        self.is_mean = [model.mean for model in models]
        start = torch.get_rng_state()
        parts = []
        for model in models:
            torch.set_rng_state(start)
            parts.append(Heads(PairedNetwork(model, input_dim, 1)))
        self.probes = nn.ModuleList(parts)
        longest = max(model.layers for model in models)
        # The model that has each head, in the order of parameters; the heads of each step.
        self.owners: list[int] = []
        self.steps: list[dict[Attention, list[int]]] = [{} for _ in range(longest)]
        for place, model in enumerate(models):
            for step in self.steps[longest - model.layers :]:
                for attention, heads in model.attentions:
                    count = len(range(model.heads)[heads])
                    first = len(self.owners)
                    step.setdefault(attention, []).extend(range(first, first + count))
                    self.owners += [place] * count

    def forward(
        self,
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time 1"],
    ) -> Float[torch.Tensor, "seed model batch 1 1"]:
        """Return minus the label that each model leaves the query at the last position."""
        models = [part for part in self.probes if isinstance(part, Heads)]
        query = torch.cat([model.query for model in models], dim=1)
        key = torch.cat([model.key for model in models], dim=1)
        value = torch.cat([model.value_labels for model in models], dim=1)
        context = inputs[:, :, :-1]
        keys = [context.shape[2] if self.is_mean[owner] else 1 for owner in self.owners]
        products, rates = query.mT @ key, value[..., 0] / value.new_tensor(keys)[:, None]
        owners = torch.tensor(self.owners, device=inputs.device)
        # The labels of context tokens, and that of the query, 0 at first.
        labels = nn.functional.pad(outputs[:, :, None, :-1, 0], (0, 1))
        labels = labels.expand(-1, -1, len(models), -1)
        for step in self.steps:
            # Behind the last layer nothing but the query is read.
            tokens = inputs[:, :, -1:] if step is self.steps[-1] else inputs
            following = labels[..., -tokens.shape[2] :]
            for attention, heads in step.items():
                assert isinstance(attention, Weighted)
                chosen = torch.tensor(heads, device=inputs.device)
                own = owners[chosen]
                queries = product(tokens, products[:, chosen].transpose(1, 2).flatten(2))
                queries = split_heads(queries, len(heads))
                read = _read(attention, queries, context, labels.index_select(2, own)[..., :-1])
                following = following.index_add(2, own, rates[:, None, chosen] * read)
            labels = following
        return -labels.transpose(1, 2)[..., None]


def _read(
    attention: Weighted,
    queries: Float[torch.Tensor, "seed batch head queries p"],
    context: Float[torch.Tensor, "seed batch time p"],
    labels: Float[torch.Tensor, "seed batch head time"],
) -> Float[torch.Tensor, "seed batch head queries"]:
    """Return sum_s a_ts y_s of every head, where all queries see the whole context."""
    if isinstance(attention, Linear):
        state = attention.factor(queries.shape[-1]) * (labels @ context)
        return (queries * state[..., None, :]).sum(-1)
    weights = attention.weights(queries.flatten(2, 3), context, None)
    # As a product of matrices its gradient would be many products of a column and a row.
    return (weights.unflatten(2, queries.shape[2:4]) * labels[..., None, :]).sum(-1)

"""Two heads of causal attention on the tokens of causal kernel descent."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from iclbench.models.constructed.causal_kernel_descent import descent_heads, descent_tokens
from iclbench.models.constructed.layers import Head, attend_causally
from iclbench.models.kernel_descent import KernelDescent

HIDDEN, MARKED = -30.0, -1.0
"""The score of the first token: where training starts from the construction, and elsewhere."""


HEADS, PARTS = ("estimate", "residual"), ("query", "key", "value", "output")


class KernelDescentNetwork(nn.Module):
    """The network of `KernelDescent`; Sander & Peyré 2024 (arXiv 2410.03011)."""

    def __init__(self, settings: KernelDescent, input_dim: int, output_dim: int) -> None:
        super().__init__()
        self.settings = settings
        self.fixed = 2 * (input_dim + 1)
        like = torch.zeros(())
        heads = descent_heads(settings.attention, settings.step, input_dim, output_dim, like)
        self.weights = nn.ParameterDict()
        for name, head in zip(HEADS, heads, strict=True):
            for part, weight in zip(PARTS, self.own(head), strict=True):
                random = settings.init_std * torch.randn(weight.shape)
                chosen = random if settings.start == "random" else weight.clone()
                self.weights[f"{name}_{part}"] = nn.Parameter(chosen[None])

    def own(self, head: Head) -> list[torch.Tensor]:
        """Return the parts of a head's matrices that are trained: W_Q, W_K, W_V, W_O."""
        query, key, value, output = head.query, head.key, head.value, head.output
        if not self.settings.blocks:
            return [query, key, value, output]
        fixed = self.fixed
        return [query[:, :fixed], key[:, :fixed], value[:, fixed:], output[fixed:]]

    def head(self, name: str) -> Head:
        """Return a head with zeros where it may not read or write."""
        query, key, value, output = (self.weights[f"{name}_{part}"][:, None] for part in PARTS)
        if self.settings.blocks:
            changing = value.shape[-1]
            query, key = (nn.functional.pad(part, (0, changing)) for part in (query, key))
            value = nn.functional.pad(value, (self.fixed, 0))
            output = nn.functional.pad(output, (0, 0, self.fixed, 0))
        return Head(self.settings.attention, query, key, value, output)

    def forward(
        self,
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time q"],
    ) -> Float[torch.Tensor, "seed layer batch time q"]:
        """Return the predictions after every layer."""
        heads = [self.head(name) for name in HEADS]
        score = HIDDEN if self.settings.start == "constructed" else MARKED
        tokens = descent_tokens(self.settings.attention, inputs, outputs, score)
        gate = torch.ones_like(inputs[..., :1])
        predictions = []
        for depth in range(1, self.settings.layers + 1):
            tokens = attend_causally(tokens, heads, gate)
            estimate = tokens[..., -outputs.shape[-1] :]
            last = depth == self.settings.layers
            predictions.append(estimate if last else estimate.detach())
        return torch.stack(predictions, dim=1)

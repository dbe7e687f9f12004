"""A layer of linear attention over complex numbers carried as real pairs."""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import nn

from iclbench.models.complex_attention import ComplexAttention
from iclbench.models.layouts import augmented


class ComplexAttentionNetwork(nn.Module):
    """The network of `ComplexAttention`; Sander et al. 2024 (arXiv 2402.05787)."""

    def __init__(self, settings: ComplexAttention, input_dim: int) -> None:
        super().__init__()
        self.heads = settings.heads
        d = input_dim // 2
        block = d if settings.diagonal else 1
        self.query, self.key, self.value = (
            ComplexLinear(3 * d, settings.heads * 3 * d, block) for _ in range(3)
        )
        self.readout = ComplexLinear(settings.heads * 3 * d, d, block)

    def forward(
        self,
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time q"],
    ) -> Float[torch.Tensor, "seed 1 batch time q"]:
        """Return the predictions."""
        tokens = torch.view_as_complex(augmented(inputs).unflatten(-1, (-1, 2)).contiguous())
        query, key, value = (
            part(tokens).unflatten(-1, (self.heads, -1)).movedim(-2, -3)
            for part in (self.query, self.key, self.value)
        )
        scores = query @ key.conj().mT / tokens.shape[-1]
        attended = scores.tril() @ value
        prediction = self.readout(attended.movedim(-3, -2).flatten(-2))
        return torch.view_as_real(prediction).reshape(outputs.shape)[:, None]


class ComplexLinear(nn.Module):
    """z -> W z with W complex, all its blocks of a given size diagonal, iid Gaussian at first."""

    def __init__(self, inputs: int, outputs: int, block: int) -> None:
        super().__init__()
        self.block = block
        shape = (1, outputs // block, inputs // block, block, 2)
        self.weight = nn.Parameter(torch.randn(shape) / (2 * inputs / block) ** 0.5)

    def forward(
        self, z: Complex[torch.Tensor, "seed *batch inputs"]
    ) -> Complex[torch.Tensor, "seed *batch outputs"]:
        """Return W z."""
        weight, blocks = torch.view_as_complex(self.weight), z.unflatten(-1, (-1, self.block))
        return torch.einsum("soib,s...ib->s...ob", weight, blocks).flatten(-2)

"""One transformer block in a loop, on interleaved tokens x_1, y_1, x_2, and so on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from iclbench.models.layouts import interleaved
from iclbench.models.looped import Looped
from iclbench.models.networks.gpt2 import Block
from iclbench.models.networks.layers import LayerNorm, Linear


class LoopedNetwork(nn.Module):
    """The network of `Looped`; all loops are read out by the one readout, trained by the last."""

    def __init__(self, settings: Looped, input_dim: int, length: int) -> None:
        super().__init__()
        self.loops, self.terms = settings.layers, settings.terms
        self.read_in = Linear(input_dim, settings.width)
        self.positions = nn.Parameter(
            settings.init_std * torch.randn(1, 2 * length - 1, settings.width)
        )
        self.block = Block(settings.model_copy(update={"layers": 1}))
        self.norm = LayerNorm(settings.width)
        self.readout = Linear(settings.width, 1)

    def forward(
        self,
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time 1"],
    ) -> Float[torch.Tensor, "seed loop batch time 1"]:
        """Return the predictions after every loop, all but the last detached."""
        tokens = interleaved(inputs, outputs)
        embedded = self.read_in(tokens) + self.positions[:, None, : tokens.shape[2]]
        state = torch.zeros_like(embedded)
        states = []
        held = 0 if self.terms is None else max(0, self.loops - self.terms)
        for number in range(self.loops):
            with torch.set_grad_enabled(number >= held and torch.is_grad_enabled()):
                state = self.loop(state, embedded)
            states.append(state)
        read = [self.readout(each[:, :, ::2]).detach() for each in states[:-1]]
        return torch.stack([*read, self.readout(states[-1][:, :, ::2])], dim=1)

    def loop(
        self,
        state: Float[torch.Tensor, "seed batch token width"],
        embedded: Float[torch.Tensor, "seed batch token width"],
    ) -> Float[torch.Tensor, "seed batch token width"]:
        """Return the next state."""
        return self.norm(self.block(state + embedded))

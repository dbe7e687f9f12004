"""LSTM layers on interleaved tokens x_1, y_1, x_2, and so on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from iclbench.models.layouts import interleaved
from iclbench.models.lstm import LSTM


class LSTMNetwork(nn.Module):
    """The network of `LSTM`; all its maps start as torch's default, as those of torch's LSTM do."""

    def __init__(self, settings: LSTM, input_dim: int) -> None:
        super().__init__()
        self.read_in = nn.Linear(input_dim, settings.width)
        self.blocks = nn.ModuleList(Block(settings.width) for _ in range(settings.layers))
        self.readout = nn.Linear(settings.width, 1)
        self.probes = nn.ModuleList(
            nn.Linear(settings.width, 1) for _ in range(settings.layers - 1)
        )

    def forward(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time 1"],
        states: bool = False,
    ) -> Float[torch.Tensor, "layer batch time read"]:
        """Return the predictions after every layer, or with ``states`` what they are read from.

        That is the layer's h at x_t.
        """
        x = self.read_in(interleaved(inputs, outputs))
        read = []
        for block in self.blocks:
            x = block(x)
            read.append(x[:, ::2])
        if states:
            return torch.stack(read)
        inner = [probe(each.detach()) for probe, each in zip(self.probes, read[:-1], strict=True)]
        return torch.stack([*inner, self.readout(read[-1])])


class Block(nn.Module):
    """One layer: c_t = f_t c_{t-1} + i_t tanh(g_t) and h_t = o_t tanh(c_t), from h_0 = c_0 = 0.

    i, f and o are logistic sigmoids of parts of W x_t + b + U h_{t-1}, and g is its fourth part.
    Parts have the order of torch.nn.LSTM (i, f, g, o), which itself has no rule for vmap and is
    written out here; its two biases are one.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.feed = nn.Linear(width, 4 * width)
        self.recur = nn.Linear(width, 4 * width, bias=False)

    def forward(
        self, tokens: Float[torch.Tensor, "batch time width"]
    ) -> Float[torch.Tensor, "batch time width"]:
        """Return h at every token."""
        hidden = cell = tokens.new_zeros(len(tokens), self.width)
        states = []
        for fed in self.feed(tokens).unbind(1):  # W x_t + b of all tokens at once
            i, f, g, o = (fed + self.recur(hidden)).chunk(4, dim=-1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * cell.tanh()
            states.append(hidden)
        return torch.stack(states, dim=1)

"""LSTM layers on interleaved tokens x_1, y_1, x_2, and so on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import nn

from iclbench.models.layouts import interleaved
from iclbench.models.lstm import LSTM
from iclbench.models.networks.layers import Linear


class LSTMNetwork(nn.Module):
    """The network of `LSTM`; all its maps start as torch's default, as those of torch's LSTM do."""

    def __init__(self, settings: LSTM, input_dim: int) -> None:
        super().__init__()
        self.read_in = Linear(input_dim, settings.width)
        self.blocks = nn.ModuleList(Block(settings.width) for _ in range(settings.layers))
        self.readout = Linear(settings.width, 1)
        self.probes = nn.ModuleList(Linear(settings.width, 1) for _ in range(settings.layers - 1))

    def forward(
        self,
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time 1"],
        states: bool = False,
    ) -> Float[torch.Tensor, "seed layer batch time read"]:
        """Return the predictions after every layer, or with ``states`` what they are read from.

        That is the layer's h at x_t.
        """
        x = self.read_in(interleaved(inputs, outputs))
        read = []
        for block in self.blocks:
            x = block(x)
            read.append(x[:, :, ::2])
        if states:
            return torch.stack(read, dim=1)
        inner = [probe(each.detach()) for probe, each in zip(self.probes, read[:-1], strict=True)]
        return torch.stack([*inner, self.readout(read[-1])], dim=1)


class Block(nn.Module):
    """One layer: c_t = f_t c_{t-1} + i_t tanh(g_t) and h_t = o_t tanh(c_t), from h_0 = c_0 = 0.

    i, f and o are logistic sigmoids of parts of W x_t + b + U h_{t-1}, and g is its fourth part, in
    the order of torch's LSTM (i, f, g, o), which is called once a seed; of its two biases the
    second is zero.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.feed = Linear(width, 4 * width)
        self.recur = Linear(width, 4 * width, bias=False)

    def forward(
        self, tokens: Float[torch.Tensor, "seed batch time width"]
    ) -> Float[torch.Tensor, "seed batch time width"]:
        """Return h at every token."""
        assert self.feed.bias is not None
        tokens = tokens.to(self.feed.weight)
        start = torch.zeros_like(tokens[0, None, :, 0])
        states = []
        for x, W, b, U in zip(
            tokens, self.feed.weight, self.feed.bias, self.recur.weight, strict=True
        ):
            # Its kernel for bfloat16 is not to be had on every processor.
            with torch.autocast(tokens.device.type, enabled=False):
                found, _, _ = torch.lstm(
                    x,
                    (start, start),
                    (W, U, b, torch.zeros_like(b)),
                    has_biases=True,
                    num_layers=1,
                    dropout=0.0,
                    train=torch.is_grad_enabled(),
                    bidirectional=False,
                    batch_first=True,
                )
            states.append(found)
        return torch.stack(states)

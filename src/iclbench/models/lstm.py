"""A recurrent network, the long short-term memory, on interleaved tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.models.trained import TrainedModel


class LSTM(TrainedModel):
    """Stacked LSTM layers that read x_1, y_1, x_2, …, and predict y_t at x_t.

    What a layer knows of the pairs before t is one state of fixed size, so that it cannot look a
    pair up again as attention can. Source: Hochreiter and Schmidhuber 1997, with the forget gate of
    Gers et al. 2000; Fu et al. 2024 (arXiv 2310.17086), section 5, compare one of 10 layers with
    online gradient descent. Inner layers are read out by linear probes, as those of `GPT2`.
    """

    kind: Literal["lstm"] = Field(description="LSTM layers on tokens x_1, y_1, x_2, …")
    layers: int = Field(default=2, ge=1, le=128, description="L, the depth")
    width: int = Field(default=64, ge=1, le=8192, description="width of every layer's state")

    @property
    @override
    def needs(self) -> frozenset[Fact]:
        return frozenset({"scalar outputs"})

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.lstm import LSTMNetwork

        return LSTMNetwork(self, input_dim)

"""GPT-2 on interleaved tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.attention.softmax import Softmax
from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.models.trained import AnyAttention, TrainedModel


class GPT2(TrainedModel):
    """A pre-norm GPT-2 that reads x_1, y_1, x_2, …, and predicts y_t at x_t.

    Source: Garg et al. 2022 (arXiv 2208.01066); the inner layers are read out by linear probes as
    in Fu et al. 2024 (arXiv 2310.17086), trained along with the transformer instead of after it.
    """

    kind: Literal["gpt2"] = Field(description="a GPT-2 on tokens x_1, y_1, x_2, …")
    layers: int = Field(default=3, ge=1, le=128, description="L, the depth")
    width: int = Field(default=64, ge=1, le=8192, description="width of the residual stream")
    heads: int = Field(default=2, ge=1, le=256, description="H, the number of heads")
    attention: AnyAttention = Field(
        default=Softmax(kind="softmax", scale="inverse_sqrt"), description="the attention of a head"
    )

    init_std: float = Field(
        default=0.02,
        gt=0,
        le=10,
        description="standard deviation of the initial weights; narrow models learn sooner from "
        "1 / sqrt(width)",
    )

    @model_validator(mode="after")
    def _splits(self) -> GPT2:
        if self.width % self.heads:
            raise ValueError(
                f"width ({self.width}) is not a multiple of heads ({self.heads}); make it one"
            )
        return self

    @property
    @override
    def needs(self) -> frozenset[Fact]:
        return frozenset({"scalar outputs"})

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.gpt2 import GPT2Network

        return GPT2Network(self, input_dim, length)

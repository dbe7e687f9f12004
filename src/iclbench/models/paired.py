"""Transformers of attention alone on tokens (x; y), one a pair."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.attention.weighted import Weighted
from iclbench.lazy import torch
from iclbench.models.trained import AnyAttention, TrainedModel


class Paired(TrainedModel):
    """Layers Z <- Z + sum_h V_h Z M h(B_h X, C_h X) on tokens Z = (X; Y), as in gradient descent.

    The labels Y hold residuals, so the prediction after every layer is minus the label of the query
    token (x_t; 0), which is never a key. Source: Cheng et al. 2024 (arXiv 2312.06528, section 2),
    whose value matrix is V = diag(A, r); with ``value: dense`` all of Z enters queries, keys and
    values, V = P W_V, as in von Oswald et al. 2023 (arXiv 2212.07677).
    """

    kind: Literal["paired"] = Field(description="attention without feed-forward on tokens (x; y)")
    heads: int = Field(default=1, ge=1, le=256, description="H, the number of heads")
    attention: AnyAttention = Field(
        default=Linear(kind="linear", scale=1.0), description="the attention h of a head"
    )
    value: Literal["block", "dense"] = Field(
        default="block", description="V = diag(A, R) with queries and keys from x, or all full"
    )
    context: Literal["causal", "prefix"] = Field(
        default="causal",
        description="context tokens attend to those before them and themselves, or, as in the "
        "papers and T times as costly, to all of the prefix",
    )
    mean: bool = Field(
        default=False, description="whether attention is divided by the number of keys it sees"
    )
    init_std: float = Field(
        default=0.1, gt=0, le=10, description="standard deviation of the initial weights"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Paired:
        if self.context == "prefix" and not isinstance(self.attention, Weighted):
            raise ValueError(
                f"{self.attention.kind} attention reads its keys in order, but in context: prefix "
                "they have none; use context: causal"
            )
        if self.mean and isinstance(self.attention, Softmax):
            raise ValueError("softmax attention is a mean already; remove mean")
        return self

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.paired import PairedNetwork

        return PairedNetwork(self, input_dim, output_dim)

"""Transformers of attention alone, on plain or augmented tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.attention.linear import Linear
from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.models.trained import AnyAttention, TrainedModel


class AttentionOnly(TrainedModel):
    """Layers x_t <- x_t + LN(W_O sum_h o^h_t) of causal attention, then an affine map.

    The width of a token is the width of a head, and heads are summed. With the defaults this is the
    augmented model of Sander et al. 2024 (arXiv 2402.05787, Fig. 5).
    """

    kind: Literal["attention_only"] = Field(description="attention without feed-forward layers")
    layout: Literal["augmented", "plain"] = Field(
        default="augmented", description="tokens (0, s_t, s_{t-1}), or s_t repeated"
    )
    repeat: int = Field(default=1, ge=1, le=64, description="copies of s_t in a plain token")
    heads: int = Field(default=1, ge=1, le=256, description="H, the number of heads")
    attention: AnyAttention = Field(
        default=Linear(kind="linear", scale="inverse_sqrt"), description="the attention of a head"
    )
    positional: bool = Field(
        default=False,
        description="whether the weights are multiplied by a softmax over learned positions, which "
        "pass through the same query and key maps",
    )
    bias: bool = Field(default=True, description="whether linear maps are affine")
    layer_norm: bool = Field(default=True, description="whether what attention adds is normalised")
    residual: bool = Field(default=True, description="whether a layer adds to its input")
    share: bool = Field(default=False, description="whether all depths share one layer's weights")

    @model_validator(mode="after")
    def _agrees(self) -> AttentionOnly:
        if self.repeat > 1 and self.layout == "augmented":
            raise ValueError(
                f"repeat ({self.repeat}) is about plain tokens, but layout is augmented; remove "
                "repeat or set layout to plain"
            )
        if self.positional and not isinstance(self.attention, Linear):
            raise ValueError(
                "positional multiplies linear scores by positional ones, but attention is "
                f"{self.attention.kind}; make it linear or remove positional"
            )
        return self

    @property
    @override
    def needs(self) -> frozenset[Fact]:
        return frozenset({"autoregressive"})

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.attention_only import AttentionOnlyNetwork

        return AttentionOnlyNetwork(self, input_dim, output_dim, length)

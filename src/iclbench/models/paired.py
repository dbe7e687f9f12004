"""Transformers of attention alone on tokens (x; y), one a pair."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.attention.attention import Attention
from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.attention.weighted import Weighted
from iclbench.lazy import torch
from iclbench.models.trained import AnyAttention, TrainedModel


class Paired(TrainedModel):
    """Layers Z <- Z + sum_h V_h Z M h(B_h X, C_h X) on tokens Z = (X; Y), as in gradient descent.

    The labels Y hold residuals, so the prediction after every layer is minus the label of the query
    token (x_t; 0), which is never a key. Source: Cheng et al. 2024 (arXiv 2312.06528, section 2),
    whose value matrix is V = diag(A, r), or diag(0, r) with ``value: labels``; with
    ``value: dense`` all of Z enters queries, keys and values, V = P W_V, as in von Oswald et al.
    2023 (arXiv 2212.07677).
    """

    kind: Literal["paired"] = Field(description="attention without feed-forward on tokens (x; y)")
    heads: int = Field(default=1, ge=1, le=256, description="H, the number of heads")
    attention: (
        AnyAttention | Annotated[tuple[AnyAttention, ...], Field(min_length=1, max_length=256)]
    ) = Field(
        default=Linear(kind="linear", scale=1.0),
        description="the attention h, of all heads or, in a list, of one after the other",
    )
    value: Literal["block", "labels", "dense"] = Field(
        default="block",
        description="V = diag(A, R) or, with labels, diag(0, R), and queries and keys from x; or "
        "all full",
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
        if isinstance(self.attention, tuple) and len(self.attention) != self.heads:
            raise ValueError(
                f"attention lists {len(self.attention)} heads, but heads is {self.heads}; make "
                "them agree, or give one attention for all"
            )
        for attention, _ in self.attentions:
            if isinstance(attention, Weighted):
                continue
            if self.context == "prefix":
                raise ValueError(
                    f"{attention.kind} attention reads its keys in order, but in context: prefix "
                    "they have none; use context: causal"
                )
            if isinstance(self.attention, tuple):
                raise ValueError(
                    f"{attention.kind} attention has a state, and a list of heads is for kinds "
                    "with weights (linear, relu, exponential, softmax); give it to all heads"
                )
        if self.mean and any(isinstance(attention, Softmax) for attention, _ in self.attentions):
            raise ValueError("softmax attention is a mean already; remove mean")
        return self

    @property
    def attentions(self) -> tuple[tuple[Attention, slice], ...]:
        """Each attention and which heads have it; one for all unless they are listed."""
        if isinstance(self.attention, tuple):
            return tuple((each, slice(i, i + 1)) for i, each in enumerate(self.attention))
        return ((self.attention, slice(0, self.heads)),)

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.paired import PairedNetwork

        return PairedNetwork(self, input_dim, output_dim)

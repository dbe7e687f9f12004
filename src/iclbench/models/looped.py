"""One transformer block that the prompt is sent through again and again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.models.gpt2 import GPT2


class Looped(GPT2):
    """h_{k+1} = norm(block(h_k + e)), h_0 = 0, with the tokens x_1, y_1, x_2, ... embedded in e.

    The block, of attention and a feed-forward part, has the same weights in every loop, so that a
    model trained with N loops can be run with more or fewer. ``gradient`` says what is derived:

    * ``unrolled``: all N loops;
    * ``implicit``: the fixed point that the loops approach, by the implicit function theorem with
      ``terms`` terms of Neumann's series for the inverse of I - J^T, J the Jacobian of one loop:
      what ``terms`` loops more, from an h_N that is held, would derive. Exactly that series where
      h_N is the fixed point; elsewhere J is taken at these further loops.

    Source: Ramzi et al. 2023 (arXiv 2305.15042) for the question; a small model of the kind of Bai
    et al.'s deep equilibria, in context (reconstructed).
    """

    kind: Literal["looped"] = Field(
        description="a GPT-2 block of which all layers have the weights"
    )
    layers: int = Field(default=10, ge=1, le=10_000, description="N, the loops")
    gradient: Literal["unrolled", "implicit"] = Field(
        default="unrolled", description="derivatives through the loops, or of their fixed point"
    )
    terms: int | None = Field(
        default=None, ge=1, le=1000, description="terms of Neumann's series; implicit alone"
    )

    @model_validator(mode="after")
    def _has_terms(self) -> Looped:
        if (self.gradient == "implicit") != (self.terms is not None):
            raise ValueError(
                f"gradient: {self.gradient} with terms: {self.terms}; the implicit gradient has "
                "terms, and it alone"
            )
        return self

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.looped import LoopedNetwork

        return LoopedNetwork(self, input_dim, length)

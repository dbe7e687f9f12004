"""One transformer block that the prompt is sent through again and again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.models.gpt2 import GPT2


class Looped(GPT2):
    """h_{k+1} = norm(block(h_k + e)), h_0 = 0, with the tokens x_1, y_1, x_2, ... embedded in e.

    The block, of attention and a feed-forward part, has the same weights in every loop, so that a
    model trained with N loops can be run with more or fewer. What is derived depends on
    ``terms``:

    * without, all N loops, unrolled;
    * with, the last ``terms`` loops alone, from a state that is held: where the loops before have
      come to their fixed point, this is the implicit function theorem with ``terms`` terms of
      Neumann's series for the inverse of I - J^T, J the Jacobian of one loop; on the way there J
      is taken along the last loops. As many terms as loops are no other than without.

    Source: Ramzi et al. 2023 (arXiv 2305.15042) for the question; a small model of the kind of Bai
    et al.'s deep equilibria, in context (reconstructed), with the gradient of Geng et al. 2021
    (arXiv 2111.05177).
    """

    kind: Literal["looped"] = Field(
        description="a GPT-2 block of which all layers have the weights"
    )
    layers: int = Field(default=10, ge=1, le=10_000, description="N, the loops")
    terms: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="how many of the last loops are differentiated, at a fixed point the terms of "
        "Neumann's series in the implicit gradient; null: all",
    )

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.looped import LoopedNetwork

        return LoopedNetwork(self, input_dim, length)

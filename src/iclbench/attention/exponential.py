"""Attention with weights exp(z), without the normalisation of softmax."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.weighted import Weighted, shown
from iclbench.lazy import torch


class Exponential(Weighted):
    """a_ts = exp(scale <q_t, k_s>), not normalised: Sander & Peyré 2024 (arXiv 2410.03011)."""

    kind: Literal["exponential"] = Field(description="weights exp(z), not normalised")

    @override
    def weights(
        self,
        query: Float[torch.Tensor, "*#batch queries key"],
        key: Float[torch.Tensor, "*#batch keys key"],
        mask: Bool[torch.Tensor, "*#batch #queries keys"] | int | None,
    ) -> Float[torch.Tensor, "*_ queries keys"]:
        return shown(self.scores(query, key), mask, -torch.inf).exp()

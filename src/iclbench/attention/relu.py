"""Attention with weights max(0, z)."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.weighted import Weighted, shown
from iclbench.lazy import torch


class Relu(Weighted):
    """a_ts = max(0, scale <q_t, k_s>): Cheng et al. 2024 (arXiv 2312.06528)."""

    kind: Literal["relu"] = Field(description="weights max(0, z)")

    @override
    def weights(
        self,
        query: Float[torch.Tensor, "*#batch queries key"],
        key: Float[torch.Tensor, "*#batch keys key"],
        mask: Bool[torch.Tensor, "*#batch #queries keys"] | int | None,
    ) -> Float[torch.Tensor, "*_ queries keys"]:
        return shown(self.scores(query, key).relu(), mask, 0.0)

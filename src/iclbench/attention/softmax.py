"""Softmax attention."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.weighted import Weighted
from iclbench.lazy import torch


class Softmax(Weighted):
    """a_ts = exp(z_ts) / sum_{r <= t} exp(z_tr), z_ts = scale <q_t, k_s>.

    ``attend`` calls torch's fused kernel. Under ``torch.func.vmap`` on a CPU that kernel runs once
    per element, with a warning: run it there inside
    ``torch.nn.attention.sdpa_kernel(SDPBackend.MATH)``, which batches.
    """

    kind: Literal["softmax"] = Field(description="weights exp(z), normalised over the keys seen")

    @override
    def weights(
        self,
        query: Float[torch.Tensor, "*#batch queries key"],
        key: Float[torch.Tensor, "*#batch keys key"],
        mask: Bool[torch.Tensor, "*#batch #queries keys"],
    ) -> Float[torch.Tensor, "*_ queries keys"]:
        # A row that sees nothing is uniform here and zero below: no NaN, forward or backward.
        scores = self.scores(query, key)
        seen = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        return seen.softmax(-1) * mask

    @override
    def _attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None,
    ) -> Float[torch.Tensor, "*batch time value"]:
        return torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=self.factor(query.shape[-1])
        )

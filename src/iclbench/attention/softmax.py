"""Softmax attention."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.weighted import Weighted, shown
from iclbench.lazy import torch


class Softmax(Weighted):
    """a_ts = exp(z_ts) / sum_{r <= t} exp(z_tr), z_ts = scale <q_t, k_s>.

    ``attend`` calls torch's fused kernel. For bfloat16 on a CPU it multiplies instead, which rounds
    scores to bfloat16 and takes memory in T^2.
    """

    kind: Literal["softmax"] = Field(description="weights exp(z), normalised over the keys seen")

    @override
    def weights(
        self,
        query: Float[torch.Tensor, "*#batch queries key"],
        key: Float[torch.Tensor, "*#batch keys key"],
        mask: Bool[torch.Tensor, "*#batch #queries keys"] | int | None,
    ) -> Float[torch.Tensor, "*_ queries keys"]:
        scores = self.scores(query, key)
        if mask is None:
            return scores.softmax(-1)
        if isinstance(mask, int) and mask >= 0:
            # Each query sees a key, and the weight of what is hidden is zero exactly.
            return shown(scores, mask, -torch.inf).softmax(-1)
        # A row that sees nothing is uniform here and zero below: no NaN, forward or backward.
        weights = shown(scores, mask, torch.finfo(scores.dtype).min).softmax(-1)
        return weights.tril(mask) if isinstance(mask, int) else weights * mask

    @override
    def _attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None,
    ) -> Float[torch.Tensor, "*batch time value"]:
        # There the fused kernel's gradient takes four times as long as that of these products.
        if query.dtype == torch.bfloat16 and query.device.type == "cpu":
            return super()._attend(query, key, value, gates)
        # With more dimensions than one of prompts and one of heads the kernel is not fused.
        q, k, v = (part.flatten(0, -4) if part.ndim > 4 else part for part in (query, key, value))
        attended = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=self.factor(query.shape[-1])
        )
        return attended.reshape(*query.shape[:-1], value.shape[-1])

"""Linear attention that forgets."""

from __future__ import annotations

from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.attention import Attention
from iclbench.lazy import torch


class GatedLinear(Attention):
    """S_t = alpha_t S_{t-1} + v_t k_t^T, S_0 = 0, o_t = S_t q_t.

    So o_t = sum_{s <= t} (alpha_{s+1} ... alpha_t) <q_t, k_s> v_s: Yang et al. 2024 (arXiv
    2312.06635) with one gate a head, as in Mamba-2.

    The gate of a token is its alpha_t; without gates alpha_t = 1, which is linear attention.
    """

    kind: Literal["gated_linear"] = Field(
        description="linear attention with a forgetting factor alpha a token"
    )

    gates: ClassVar[int] = 1

    @override
    def _attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None,
    ) -> Float[torch.Tensor, "*batch time value"]:
        scores = (query @ key.mT).tril()
        if gates is None:
            return scores @ value
        # Summing the logarithms between s and t, for each s anew, keeps the ratios exact where a
        # difference of two running sums would cancel.
        logs = gates.clamp_min(torch.finfo(gates.dtype).tiny).log()
        decay = logs.expand(scores.shape).tril(-1).cumsum(-2).exp()
        return (decay * scores) @ value

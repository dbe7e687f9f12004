"""The delta rule (DeltaNet): a fast-weight memory that corrects itself."""

from __future__ import annotations

from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.attention import Attention
from iclbench.lazy import torch


class Delta(Attention):
    """S_t = S_{t-1} + beta_t (v_t - S_{t-1} k_t) k_t^T, S_0 = 0, o_t = S_t q_t.

    With beta_t = 1 / |k_t|^2 this is one Kaczmarz pass over the pairs (k_t, v_t). The corrections
    u_t = beta_t (v_t - S_{t-1} k_t) of all t solve one unit lower triangular system,
    u_t + beta_t sum_{s<t} <k_t, k_s> u_s = beta_t v_t, so there is no loop over time. The rule is
    that of Schlag et al. 2021 (arXiv 2102.11174).

    The gate of a token is its beta_t; without gates beta_t = 1.
    """

    kind: Literal["delta"] = Field(description="the delta rule, with a step beta a token")
    unit_keys: bool = Field(
        default=False,
        description="whether keys are scaled to unit norm first, as training asks for: then no "
        "beta in (0, 2) diverges",
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
        if self.unit_keys:
            key = torch.nn.functional.normalize(key, dim=-1)
        steps = torch.ones_like(key[..., :1]) if gates is None else gates
        corrections = torch.linalg.solve_triangular(
            steps * (key @ key.mT), steps * value, upper=False, unitriangular=True
        )
        return (query @ key.mT).tril() @ corrections

"""Mesa attention: ridge regression on every prefix."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.attention import Attention
from iclbench.lazy import torch


class Mesa(Attention):
    """o_t = V_t^T K_t (K_t^T K_t + ridge I)^{-1} q_t, rows of K_t and V_t being k_s, v_s, s <= t.

    The mesa layer of von Oswald et al. 2023 (arXiv 2309.05858). Each prefix is factorised alone,
    in O(T d^3) time and O(T d^2) memory for keys of width d: the other forms (rank-one updates, or
    one factorisation of the T x T matrix for all prefixes) lose a factor |K|^2 / ridge of accuracy.
    A prefix whose matrix is not positive definite in the precision used gives NaN.
    """

    kind: Literal["mesa"] = Field(description="ridge regression of values on keys, every prefix")
    ridge: float = Field(default=1.0, ge=1e-8, description="ridge penalty lambda")

    @override
    def _attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None,
    ) -> Float[torch.Tensor, "*batch time value"]:
        identity = torch.eye(key.shape[-1], dtype=key.dtype, device=key.device)
        second_moments = (key.unsqueeze(-1) * key.unsqueeze(-2)).cumsum(-3)
        factor, failed = torch.linalg.cholesky_ex(second_moments + self.ridge * identity)
        factor = factor.masked_fill(failed[..., None, None] > 0, torch.nan)
        whitened = torch.cholesky_solve(query.unsqueeze(-1), factor).squeeze(-1)
        return (whitened @ key.mT).tril() @ value

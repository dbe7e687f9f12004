"""One layer of linear attention over complex numbers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.models.trained import TrainedModel


class ComplexAttention(TrainedModel):
    """sum_h sum_{s<=t} <k^h_s, q^h_t> B_h v^h_s on augmented tokens (0, s_t, s_{t-1}) in C^{3d}.

    Queries, keys, values and the map to the prediction are complex matrices without bias, the
    inner product is Hermitian, over 3d, and nothing else is normalised or added: the layer of the
    theory of Sander et al. 2024 (arXiv 2402.05787), section 3. There matrices are diagonal,
    coordinates meet in the inner product alone, and one gradient step is optimal, though not alone:
    a factor e^{i phi_j} on coordinate j inside the inner product and e^{-i phi_j} outside cost
    nothing. Matrices that are not diagonal do better, by about 0.8 per cent for d = 5 and 50 pairs,
    and attention over the real pairs by more, as real maps can conjugate.
    """

    has_blocks: ClassVar[bool] = False

    kind: Literal["complex_attention"] = Field(
        description="a layer of linear attention by complex matrices"
    )
    layers: Literal[1] = Field(default=1, description="L, the depth: a single layer")  # pyright: ignore[reportIncompatibleVariableOverride]
    diagonal: bool = Field(
        default=False, description="whether each block of a token maps to each by a diagonal matrix"
    )
    heads: int = Field(default=1, ge=1, le=256, description="H, the number of heads")

    @property
    @override
    def needs(self) -> frozenset[Fact]:
        return frozenset({"autoregressive", "complex coordinates"})

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.complex_attention import ComplexAttentionNetwork

        return ComplexAttentionNetwork(self, input_dim)

"""The relu kernel."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from iclbench.kernels.kernel import Array, InnerProductKernel


class ReluKernel(InnerProductKernel):
    """kappa(u, v) = max(0, scale <u, v>), which is not positive semi-definite.

    Source: Cheng et al. 2024 (arXiv 2312.06528), experiments.
    """

    kind: Literal["relu"] = Field(description="max(0, z), which is indefinite")

    @property
    @override
    def is_definite(self) -> bool:
        return False

    @override
    def of(self, products: Array) -> Array:
        return products.clip(0)

"""The linear kernel."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from iclbench.kernels.kernel import Array, InnerProductKernel


class LinearKernel(InnerProductKernel):
    """kappa(u, v) = scale <u, v>, of linear functions."""

    kind: Literal["linear"] = Field(description="z, of linear functions")

    @override
    def of(self, products: Array) -> Array:
        return products

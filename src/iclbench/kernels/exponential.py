"""The exponential kernel."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from iclbench.kernels.kernel import Array, InnerProductKernel
from iclbench.lazy import torch


class ExponentialKernel(InnerProductKernel):
    """kappa(u, v) = exp(scale <u, v>).

    Source: Sander & Peyré 2024 (arXiv 2410.03011); Cheng et al. 2024 (arXiv 2312.06528).
    """

    kind: Literal["exponential"] = Field(description="exp(z)")

    @override
    def of(self, products: Array) -> Array:
        return np.exp(products) if isinstance(products, np.ndarray) else torch.exp(products)

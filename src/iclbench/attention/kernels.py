"""Kernels that serve as attention and as the kernel of a classical method alike."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field

from iclbench.lazy import torch
from iclbench.settings import Settings


class Kernel(Settings):
    """A kernel kappa(u, v) of the scaled inner product z = scale <u, v>.

    linear: z; relu: max(0, z); exponential: exp(z). The relu kernel is not positive semi-definite.
    """

    kind: Literal["linear", "relu", "exponential"] = Field(
        description="kappa as a function of z = scale <u, v>: z, max(0, z) or exp(z)"
    )
    scale: float = Field(default=1.0, gt=0, description="factor of the inner product (beta)")

    def gram(
        self,
        left: Float[torch.Tensor, "*batch n p"],
        right: Float[torch.Tensor, "*batch m p"],
    ) -> Float[torch.Tensor, "*batch n m"]:
        """Return kappa(left_i, right_j)."""
        products = self.scale * (left @ right.mT)
        match self.kind:
            case "linear":
                return products
            case "relu":
                return products.clamp_min(0)
            case "exponential":
                return products.exp()

    def diagonal(
        self, points: Float[torch.Tensor, "*batch n p"]
    ) -> Float[torch.Tensor, "*batch n"]:
        """Return kappa(x_i, x_i)."""
        squares = self.scale * points.square().sum(-1)
        return squares.exp() if self.kind == "exponential" else squares

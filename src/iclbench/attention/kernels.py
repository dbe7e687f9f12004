"""Kernels that serve as attention and as the kernel of a classical method alike."""

from __future__ import annotations

from typing import Annotated, Literal

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


class KernelTerm(Settings):
    """A kernel of some coordinates in a sum of kernels: weight kappa(G u, G v)."""

    kernel: Kernel = Field(description="the kernel kappa")
    weight: float = Field(default=1.0, gt=0, description="factor of this kernel in the sum")
    coordinates: tuple[float, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="diagonal of G, one number a coordinate; all ones if left out",
    )

    def seen(self, points: Float[torch.Tensor, "*batch n p"]) -> Float[torch.Tensor, "*batch n p"]:
        """Return G u.

        Raises:
            ValueError: If there is not one number a coordinate.
        """
        if self.coordinates is None:
            return points
        if len(self.coordinates) != points.shape[-1]:
            raise ValueError(
                f"coordinates: {len(self.coordinates)} numbers for inputs of dimension "
                f"{points.shape[-1]}; give one a coordinate"
            )
        return points * points.new_tensor(self.coordinates)


class KernelSum(Settings):
    """A sum of kernels, each of coordinates of its own: sum_j w_j kappa_j(G_j u, G_j v).

    Cheng et al. 2024 (arXiv 2312.06528), Proposition 3: what several heads compute together.
    """

    kind: Literal["sum"] = Field(description="a weighted sum of kernels")
    terms: Annotated[tuple[KernelTerm, ...], Field(min_length=1, max_length=16)] = Field(
        description="the kernels, their weights and coordinates"
    )

    def gram(
        self,
        left: Float[torch.Tensor, "*batch n p"],
        right: Float[torch.Tensor, "*batch m p"],
    ) -> Float[torch.Tensor, "*batch n m"]:
        """Return the sum at (left_i, right_j)."""
        return sum(
            (
                term.weight * term.kernel.gram(term.seen(left), term.seen(right))
                for term in self.terms
            ),
            start=torch.zeros((), dtype=left.dtype, device=left.device),
        )

    def diagonal(
        self, points: Float[torch.Tensor, "*batch n p"]
    ) -> Float[torch.Tensor, "*batch n"]:
        """Return the sum at (x_i, x_i)."""
        return sum(
            (term.weight * term.kernel.diagonal(term.seen(points)) for term in self.terms),
            start=torch.zeros((), dtype=points.dtype, device=points.device),
        )

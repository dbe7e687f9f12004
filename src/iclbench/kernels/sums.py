"""Sums of kernels of some coordinates each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from iclbench.kernels.choice import AnyKernel
from iclbench.kernels.kernel import Array, Kernel
from iclbench.settings import Settings


class KernelTerm(Settings):
    """A kernel of some coordinates in a sum of kernels: weight kappa(G u, G v)."""

    kernel: AnyKernel = Field(description="the kernel kappa")
    weight: float = Field(default=1.0, gt=0, description="factor of this kernel in the sum")
    coordinates: tuple[float, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="diagonal of G, one number a coordinate; all ones if left out",
    )

    def seen(self, points: Array) -> Array:
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
        if isinstance(points, np.ndarray):
            return points * np.array(self.coordinates, points.dtype)
        return points * points.new_tensor(self.coordinates)


class KernelSum(Kernel):
    """A sum of kernels, each of coordinates of its own: sum_j w_j kappa_j(G_j u, G_j v).

    Cheng et al. 2024 (arXiv 2312.06528), Proposition 3: what several heads compute together.
    """

    kind: Literal["sum"] = Field(description="a weighted sum of kernels")
    terms: Annotated[tuple[KernelTerm, ...], Field(min_length=1, max_length=16)] = Field(
        description="the kernels, their weights and coordinates"
    )

    @property
    @override
    def is_definite(self) -> bool:
        return all(term.kernel.is_definite for term in self.terms)

    @override
    def gram(self, left: Array, right: Array) -> Array:
        first, *others = (
            term.weight * term.kernel.gram(term.seen(left), term.seen(right)) for term in self.terms
        )
        return sum(others, start=first)

    @override
    def diagonal(self, points: Array) -> Array:
        first, *others = (
            term.weight * term.kernel.diagonal(term.seen(points)) for term in self.terms
        )
        return sum(others, start=first)


if TYPE_CHECKING:
    KernelOrSum = Kernel
else:
    KernelOrSum = Annotated[AnyKernel | KernelSum, Field(discriminator="kind")]

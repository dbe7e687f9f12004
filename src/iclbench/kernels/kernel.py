"""What every kernel gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.settings import Settings

Array = TypeVar("Array", np.ndarray, "torch.Tensor")


class Kernel(Settings, ABC):
    """A symmetric function kappa(u, v) of two points; one class a kind.

    Points are arrays of NumPy where tasks are drawn, and tensors where methods predict.
    """

    kind: str
    """The name of this kind in its room's registry."""

    @property
    def is_definite(self) -> bool:
        """Whether every Gram matrix is positive semi-definite; by default it is."""
        return True

    @abstractmethod
    def gram(self, left: Array, right: Array) -> Array:
        """Return kappa(left_i, right_j): (*batch, n, m) from (*batch, n, p) and (*batch, m, p)."""

    @abstractmethod
    def diagonal(self, points: Array) -> Array:
        """Return kappa(x_i, x_i), of shape (*batch, n), from points of shape (*batch, n, p)."""


class InnerProductKernel(Kernel):
    """A kernel that is a function of the scaled inner product z = scale <u, v>."""

    scale: float = Field(default=1.0, gt=0, description="factor of the inner product (beta)")

    @abstractmethod
    def of(self, products: Array) -> Array:
        """Return kappa as a function of z, element by element."""

    @override
    def gram(self, left: Array, right: Array) -> Array:
        return self.of(self.scale * (left @ right.mT))

    @override
    def diagonal(self, points: Array) -> Array:
        squares: Any = (points * points).sum(-1)
        return self.of(self.scale * squares)

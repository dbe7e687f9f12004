"""Which kernel: any that is registered, as settings, or one that ships, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iclbench.kernels.exponential import ExponentialKernel
from iclbench.kernels.kernel import InnerProductKernel, Kernel
from iclbench.kernels.linear import LinearKernel
from iclbench.kernels.relu import ReluKernel
from iclbench.registry import any_of

if TYPE_CHECKING:
    AnyKernel = Kernel
else:
    AnyKernel = any_of("kernels")


def inner_product_kernel(kind: str, scale: float = 1.0) -> InnerProductKernel:
    """Return one of the kernels that ship: linear, relu or exponential.

    Raises:
        KeyError: If there is no such kernel.
    """
    match kind:
        case "linear":
            return LinearKernel(kind="linear", scale=scale)
        case "relu":
            return ReluKernel(kind="relu", scale=scale)
        case "exponential":
            return ExponentialKernel(kind="exponential", scale=scale)
    raise KeyError(kind)

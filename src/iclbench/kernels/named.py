"""The kernels of the papers, by their names."""

from __future__ import annotations

from iclbench.kernels.exponential import ExponentialKernel
from iclbench.kernels.kernel import InnerProductKernel
from iclbench.kernels.linear import LinearKernel
from iclbench.kernels.relu import ReluKernel


def inner_product_kernel(kind: str, scale: float = 1.0) -> InnerProductKernel:
    """Return a kernel of inner products that ships.

    Args:
        kind: linear, relu or exponential.
        scale: The factor of the inner product.

    Raises:
        ValueError: If there is no such kernel.
    """
    match kind:
        case "linear":
            return LinearKernel(kind="linear", scale=scale)
        case "relu":
            return ReluKernel(kind="relu", scale=scale)
        case "exponential":
            return ExponentialKernel(kind="exponential", scale=scale)
    raise ValueError(f"{kind!r} is no kernel that ships; expected linear, relu or exponential")

"""Settings that are any kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iclbench.kernels.kernel import Kernel
from iclbench.registry import any_of

if TYPE_CHECKING:
    AnyKernel = Kernel
else:
    AnyKernel = any_of("kernels")

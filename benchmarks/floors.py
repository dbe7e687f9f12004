"""What this machine can do at best, measured in the same run: products of matrices, copies."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from time import perf_counter
from typing import Literal

from iclbench.lazy import torch

SIDE = 1024
COPIED = 2**28
"""Bytes, more than any cache holds."""
TRIES = 8


@cache
def product_rate(dtype: Literal["float32", "float64", "bfloat16"], threads: int = 1) -> float:
    """Return the operations (additions, multiplications) a second in a product of large matrices.

    The best of several, as of a floor; torch must have as many threads as are named.
    """
    assert torch.get_num_threads() == threads
    left = torch.randn(SIDE, SIDE, dtype=getattr(torch, dtype))
    found = torch.empty_like(left)
    seconds = []
    for _ in range(TRIES):
        began = perf_counter()
        torch.mm(left, left, out=found)
        seconds.append(perf_counter() - began)
    return 2 * SIDE**3 / min(seconds)


def multiplies_bfloat16() -> bool:
    """Return whether the processor has instructions for products of bfloat16, and they run.

    Some virtual machines announce them and do not have them, which ends the process that tries.
    """
    found = torch.cpu.get_capabilities()
    if not any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")):
        return False
    tried = "import torch; x = torch.ones(64, 64, dtype=torch.bfloat16); x @ x"
    command = [sys.executable, "-c", tried]
    return subprocess.run(command, capture_output=True, timeout=120).returncode == 0


@cache
def copy_rate(threads: int = 1) -> float:
    """Return the bytes a second, those read and those written, of a copy of a large array."""
    assert torch.get_num_threads() == threads
    source = torch.ones(COPIED // 4)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(TRIES):
        began = perf_counter()
        target.copy_(source)
        seconds.append(perf_counter() - began)
    return 2 * COPIED / min(seconds)

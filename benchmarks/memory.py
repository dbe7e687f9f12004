"""How far the memory of this process rises while it works."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROCESS = Path("/proc/self")
RESET_PEAK = "5"


@contextmanager
def risen() -> Iterator[Callable[[], float]]:
    """Hand out a function that says, at the end, by how many MiB resident memory rose at most.

    Memory that was freed before is given back first, so that what is used again counts as well.
    NaN where the system cannot tell (all but Linux).
    """
    if sys.platform != "linux":
        yield lambda: float("nan")
        return
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    (PROCESS / "clear_refs").write_text(RESET_PEAK)
    before = _kibibytes("VmRSS")
    peak = [before]
    yield lambda: (peak[0] - before) / 1024
    peak[0] = _kibibytes("VmHWM")


def _kibibytes(name: str) -> float:
    status = (PROCESS / "status").read_text()
    return float(status.partition(f"{name}:")[2].split()[0])

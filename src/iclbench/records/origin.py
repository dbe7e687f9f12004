"""What made a file, in so far as it determines the numbers in it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np


def collect_provenance(
    settings: Mapping[str, Any], code: str, device: str, threads: int
) -> dict[str, Any]:
    """Return what determines the numbers of a file: never a time, a host or a path.

    With them stands the instruction set of the processor (``X86_V4``, …), as libraries of linear
    algebra choose their kernels by it, and another kernel changes the last digits.

    Args:
        settings: The settings of the stage, as plain data.
        code: The digest of the sources that the stage ran.
        device: Where it was computed (``cpu``, ``cuda``).
        threads: On how many threads, which can change the last digits.
    """
    return {
        "settings": dict(settings),
        "code": code,
        "device": device,
        "threads": threads,
        "processor": np.show_config(mode="dicts")["SIMD Extensions"]["found"],
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "pyarrow")},
        },
    }

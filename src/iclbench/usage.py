"""What a job has used: time and memory, for people and for benchmarks."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from iclbench.files import written_aside


def write_usage(path: Path, began: float) -> None:
    """Write what this process has used since it began its work.

    The columns: ``s``, seconds by the clock since ``began``; ``cpu_time``, seconds of CPU of the
    process and its children; ``max_rss``, the largest resident memory in MiB. Of a process of its
    own the CPU seconds include what it took to load libraries, before ``began``; of a forked job
    the memory includes what it shares with the process that it was forked from.

    Args:
        path: The TSV file to write.
        began: When the work began, by :func:`time.perf_counter`.
    """
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = time.perf_counter() - began
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    memory = own.ru_maxrss / unit
    with written_aside(path) as aside:
        aside.write_text(f"s\tcpu_time\tmax_rss\n{seconds:.4f}\t{cpu:.4f}\t{memory:.2f}\n")

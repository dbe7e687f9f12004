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


def used(job: str) -> float | None:
    """Return the seconds that a job took the last time; None: no note of it.

    Args:
        job: ``stage/name``, as in plans.
    """
    path = Path("results", "benchmarks", f"{job}.tsv")
    try:
        _, values = path.read_text(encoding="utf-8").splitlines()
        return float(values.split("\t")[0])
    except (OSError, ValueError):
        return None


def spoken(seconds: float) -> str:
    """Return a time in words.

    Examples:
        >>> spoken(7.2), spoken(75.0), spoken(4000.0)
        ('7 s', '1:15 min', '1:06 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"

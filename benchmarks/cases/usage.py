"""What a finished run has used: its jobs' own account, and Snakemake's log.

It cannot tell: what loading libraries took for jobs that are forked from a process that has them,
nor what that process and Snakemake took themselves; which of a job's seconds it waited for a core
that others used; how much of the memory of forked jobs is shared, so that only the largest means
something, not the sum.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd

from benchmarks.case import Case, Comparison, LeftOutError, Options, Run
from benchmarks.report import counted

BEGAN = re.compile(r"^  Date: (.+)$", re.MULTILINE)
STAMP = re.compile(r"^\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\]$", re.MULTILINE)
FINISHED = re.compile(r"^Finished jobid:", re.MULTILINE)


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the run as a whole, then each stage.

    Of the whole, ours is the wall clock and the floor what the jobs' CPU seconds would take if all
    cores of this machine had worked at them all the time. Of a stage, ours is the sum of its jobs'
    seconds and the floor that of their CPU seconds.
    """
    if options.tree is None:
        raise LeftOutError("it reads a finished run; name its folder by --tree FOLDER")
    jobs = read(options.tree)
    cores = os.cpu_count() or 1
    cpu = jobs["cpu_time"].sum()
    wall = wall_clock(options.tree, len(jobs))
    yield _account("whole run, by the clock", jobs, wall, cpu / cores)
    for stage, some in jobs.groupby("stage"):
        yield _account(f"{stage}, its jobs", some, some["s"].sum(), some["cpu_time"].sum())


def read(tree: Path) -> pd.DataFrame:
    """Return a row a job: stage, s, cpu_time, max_rss (MiB).

    Raises:
        LeftOutError: If the folder holds none.
    """
    folder = tree / "results" / "benchmarks"
    files = sorted(folder.rglob("*.tsv"))
    if not files:
        raise LeftOutError(f"{folder} holds no job's usage; name the folder of a finished run")
    parts = [
        pd.read_csv(path, sep="\t").assign(stage=path.relative_to(folder).parts[0])
        for path in files
    ]
    return pd.concat(parts, ignore_index=True)


def wall_clock(tree: Path, jobs: int) -> float:
    """Return the seconds between the first and the last line of the log of the run that made all.

    Raises:
        LeftOutError: If no log tells of so many jobs, as where a run went on where another stood.
    """
    for path in sorted((tree / ".snakemake" / "log").glob("*.log"), reverse=True):
        text = path.read_text()
        began, stamps = BEGAN.search(text), STAMP.findall(text)
        if began and stamps and len(FINISHED.findall(text)) >= jobs:
            end = datetime.strptime(stamps[-1], "%a %b %d %H:%M:%S %Y")
            return (end - datetime.fromisoformat(began[1])).total_seconds()
    raise LeftOutError(
        f"{tree}: no log of Snakemake tells of all {jobs} jobs; make everything in one run"
    )


def _account(series: str, jobs: pd.DataFrame, seconds: float, floor: float) -> Comparison:
    return Comparison(
        series=series,
        size=f"{counted(len(jobs), 'job')}, up to {jobs['max_rss'].max():.0f} MiB",
        ours=lambda _: Run(seconds),
        floor=floor,
        warm_up=(),
    )


CASE = Case(
    name="usage",
    summary="a finished run by its jobs' own account (floors: wall clock over CPU seconds a core)",
    reference="nothing",
    comparisons=comparisons,
    repetitions=1,
)

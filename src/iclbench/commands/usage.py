"""What jobs have taken, from the notes that they leave."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("results", "benchmarks")


def used(job: str) -> float | None:
    """Return the seconds that a job took the last time; None: no note of it.

    Args:
        job: ``stage/name``, as in plans.
    """
    path = FOLDER / f"{job}.tsv"
    try:
        _, values = path.read_text(encoding="utf-8").splitlines()
        return float(values.split("\t")[0])
    except (OSError, ValueError):
        return None

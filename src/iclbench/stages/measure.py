"""Measure what one study alone measures."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from iclbench.measurement import Measurement
from iclbench.records import collect_provenance, write
from iclbench.stages.job import read_job, read_kind


def measure(plan: Path, rows: Path) -> None:
    """Run one measurement of a study.

    Args:
        plan: The job's plan: the measurement, its name and study, the root of the random streams.
        rows: The Parquet file to write; its column ``task`` holds the name of the measurement.
    """
    job = read_job(plan)
    settings = job.settings
    measurement = read_kind("measurements", settings["measurement"])
    assert isinstance(measurement, Measurement)
    labels = {
        "study": settings["study"],
        "task": settings["name"],
        "scale": settings["scale"],
        "config": job.config,
        "code": job.code,
    }
    names = (str(settings["root"]), settings["study"], settings["name"])
    tables = list(measurement.measure(names, labels))
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    provenance = collect_provenance(settings, job.code, "cpu", threads)
    write(pd.concat(tables, ignore_index=True), rows, provenance)

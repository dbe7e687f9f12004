"""What is behind a figure: settings, code, seeds, jobs and rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from iclbench.commands.run import read_run
from iclbench.config.faults import nearest
from iclbench.files import JobError
from iclbench.plan import Plan
from iclbench.planning import make_plan
from iclbench.records import files
from iclbench.usage import used

RESULTS = Path("results")


def trace_figure(figure: Path, scale: str | None = None) -> None:
    """Print what made a figure: its own job, then each table it draws, and what made that.

    Of each job stand there its plan, a file that holds all its settings, the digest of its code,
    the seconds that it took the last time, and whether its result is older than its plan. What is
    said of rows is read from the tables themselves.

    Args:
        figure: The figure's file, or its name alone.
        scale: The scale of the run; by default that of config.yaml.

    Raises:
        JobError: If the run draws no such figure, or it is not drawn yet.
    """
    plan = make_plan(read_run(scale))
    name = figure.stem if figure.suffix else figure.name
    if name not in plan.figures:
        raise JobError(f"{figure}: no figure of this run; {nearest(name, plan.figures)}")
    drawn = RESULTS / "figures" / f"{name}.pdf"
    if not drawn.exists():
        raise JobError(f"{drawn}: not drawn yet; run `snakemake --cores all fig_{name}`")
    sys.stdout.write("\n".join(_lines(plan, name, drawn)) + "\n")


def _lines(plan: Plan, name: str, drawn: Path) -> Iterator[str]:
    figure = plan.figures[name]
    yield f"{drawn}"
    yield f"  of study {figure.study}, kind {figure.kind}"
    yield f"  its numbers: {drawn.with_suffix('.parquet')}"
    yield from _job(plan, f"draw/{name}", drawn, "  ")
    for table in figure.tables:
        path = RESULTS / "metrics" / f"{table}.parquet"
        yield f"{path}"
        yield from (f"  {line}" for line in _rows(path))
        job = _job_of(plan, table)
        yield from _job(plan, job, path, "  ")
        for task, model in _models(plan, job):
            trained = RESULTS / "models" / task / f"{model}.safetensors"
            yield f"  {trained}"
            yield from _job(plan, f"train/{task}/{model}", trained, "    ")


def _rows(path: Path) -> Iterator[str]:
    if not path.exists():
        yield "missing now; the figure was drawn from it"
        return
    columns = ["seed", "method", "status", "scale", "config", "code"]
    table = files.read_table(path, columns)
    seeds = sorted(table["seed"].unique().to_pylist())
    methods = table["method"].unique().to_pylist()
    spoken = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 2 else " and ".join(map(str, seeds))
    yield f"{len(table)} rows, {len(methods)} methods, seeds {spoken}"
    failed = table.filter(pc.field("status") != "ok")
    if len(failed):
        yield f"of these without a value, diverged or left out: {len(failed)}"
    for column in ("scale", "config", "code"):
        yield f"{column}: {', '.join(sorted(table[column].unique().to_pylist()))}"
    made_by = files.provenance(path)
    versions = made_by.get("versions")  # of merged tables each part has its own
    if isinstance(versions, dict):
        yield "with " + ", ".join(f"{key} {value}" for key, value in sorted(versions.items()))


def _job_of(plan: Plan, table: str) -> str:
    """Return the job that makes a table."""
    folders = {"train": "training/", "measure": "measured/", "examine": "measured/"}
    for stage, prefix in folders.items():
        job = f"{stage}/{table.removeprefix(prefix)}"
        if table.startswith(prefix) and job in plan.texts:
            return job
    return f"predict/{table}"


def _models(plan: Plan, job: str) -> list[tuple[str, str]]:
    """Return the tasks and names of the trained models that a job reads."""
    stage, _, rest = job.partition("/")
    study, _, name = rest.partition("/")
    if stage == "predict":
        return [(name, model) for model in plan.models[study, name]]
    if stage == "examine":
        task, models = plan.examined[study, name]
        return [(task, model) for model in models]
    return []


def _job(plan: Plan, job: str, result: Path, indent: str) -> Iterator[str]:
    content: dict[str, Any] = json.loads(plan.texts[job])
    path = RESULTS / "plan" / plan.file(job)
    seconds = used(job)
    took = "" if seconds is None else f", {seconds:.0f} s"
    yield f"{indent}job {job}{took}: {path}, code {content['code']}"
    if not result.exists():
        yield f"{indent}its result is missing now"
    elif not path.exists() or path.stat().st_mtime_ns > result.stat().st_mtime_ns:
        yield f"{indent}its settings or code have changed since: see `python -m iclbench why`"

"""Measure what one study alone measures of methods, trained ones among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from iclbench.files import load_arrays
from iclbench.method import Method
from iclbench.models.trained import TrainedModel
from iclbench.records import collect_provenance, write
from iclbench.stages.job import read_family, read_job, read_kind
from iclbench.training.examination import Examination, Learner, Subject
from iclbench.training.trained import load


def examine(plan: Path, prompts: Path, models: Sequence[Path], rows: Path) -> None:
    """Run one examination of a study.

    Args:
        plan: The job's plan: the examination, its name and study, task and methods, the root of the
            random streams.
        prompts: The task's evaluation prompts.
        models: The trained models among the methods, each named as its method.
        rows: The Parquet file to write; its column ``task`` holds the name of the examination.
    """
    job = read_job(plan)
    settings = job.settings
    examination = read_kind("measurements", settings["measurement"])
    assert isinstance(examination, Examination)
    arrays, about = load_arrays(prompts)
    files = {path.stem: path for path in models}
    methods: dict[str, tuple[str, Method]] = {}
    learners: list[Learner] = []
    for name, described in settings["methods"].items():
        room = "solvers" if described["family"] == "solver" else "models"
        method = read_kind(room, described["settings"])
        if isinstance(method, TrainedModel):
            learners.append(Learner(name, method, load(files[name])))
        elif isinstance(method, Method):
            methods[name] = (described["family"], method)
    subject = Subject(
        task=read_family(settings["task"]),
        length=settings["task"]["length"],
        power=about["power"],
        inputs=torch.from_numpy(arrays["inputs"]),
        outputs=torch.from_numpy(arrays["outputs"]),
        methods=methods,
        learners=tuple(learners),
    )
    labels = {
        "study": settings["study"],
        "task": settings["name"],
        "scale": settings["scale"],
        "config": job.config,
        "code": job.code,
    }
    names = (str(settings["root"]), settings["study"], settings["name"])
    tables = list(examination.examine(subject, names, labels))
    provenance = collect_provenance(settings, job.code, "cpu", torch.get_num_threads())
    write(pd.concat(tables, ignore_index=True), rows, provenance)

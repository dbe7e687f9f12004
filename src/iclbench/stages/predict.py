"""Run every method on a task's prompts, and measure errors and similarities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from iclbench.files import load_arrays
from iclbench.measures import rows_from_errors, similarity_of_errors, squared_errors
from iclbench.method import Method
from iclbench.models.trained import TrainedModel
from iclbench.records import collect_provenance, left_out, make_rows, write
from iclbench.stages.job import Job, read_job, read_kind
from iclbench.training.trained import load, predict


@dataclass(frozen=True)
class Run:
    """One method's predictions, of one seed: (K,B,T,q), and the depth or iteration of each K."""

    method: str
    family: str
    seed: int
    iterates: Sequence[int]
    predictions: torch.Tensor


def predict_task(plan: Path, prompts: Path, models: Sequence[Path], rows: Path) -> None:
    """Measure every method of a study on a task's evaluation prompts.

    Errors are measured at every position and iterate, also of the oracle and the Bayes predictor
    where the task has them; the similarity of errors of every transformer with every solver, at all
    iterates of both.

    Args:
        plan: The job's plan: task, methods, and those left out with the reason.
        prompts: The evaluation prompts.
        models: The trained models, each named as its method.
        rows: The Parquet file to write.
    """
    job = read_job(plan)
    arrays, about = load_arrays(prompts)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    runs = list(_runs(job, tensors, {path.stem: path for path in models}))
    outputs = tensors["outputs"]
    tables = [
        rows_from_errors(
            squared_errors(run.predictions, outputs),
            run.iterates,
            about["power"],
            _labels(job, run.method, run.family, run.seed),
        )
        for run in runs
    ]
    tables += list(_similarities(job, runs, outputs))
    tables += [
        left_out(_labels(job, method, why["family"], 0), why["reason"])
        for method, why in job.settings["left_out"].items()
    ]
    threads = torch.get_num_threads()
    write(
        pd.concat(tables, ignore_index=True),
        rows,
        collect_provenance(job.settings, job.code, "cpu", threads),
    )


def _runs(job: Job, tensors: dict[str, torch.Tensor], models: dict[str, Path]) -> Iterator[Run]:
    inputs, outputs = tensors["inputs"], tensors["outputs"]
    for reference in ("oracle", "bayes"):
        if reference in tensors:
            yield Run(reference, "reference", 0, (0,), tensors[reference][None])
    for name, described in job.settings["methods"].items():
        family = described["family"]
        room = "solvers" if family == "solver" else "models"
        method = read_kind(room, described["settings"])
        if isinstance(method, Method):
            yield Run(name, family, 0, method.iterates, method.predict(inputs, outputs))
        elif isinstance(method, TrainedModel):
            trained = load(models[name])
            predictions = predict(trained, method, inputs, outputs)
            for seed, each in zip(trained.seeds, predictions, strict=True):
                yield Run(name, family, seed, method.iterates, each)


def _similarities(job: Job, runs: list[Run], outputs: torch.Tensor) -> Iterator[pd.DataFrame]:
    residuals = {id(run): run.predictions.double() - outputs for run in runs}
    transformers = [run for run in runs if run.family in ("trained", "constructed")]
    solvers = [run for run in runs if run.family == "solver"]
    for transformer in transformers:
        for solver in solvers:
            mean, stderr = similarity_of_errors(residuals[id(transformer)], residuals[id(solver)])
            yield make_rows(
                _labels(job, transformer.method, transformer.family, transformer.seed),
                metric="similarity",
                iterate=[[depth] for depth in transformer.iterates],
                reference=solver.method,
                reference_iterate=list(solver.iterates),
                value=mean.numpy(),
                stderr=stderr.numpy(),
                n=len(outputs),
            )


def _labels(job: Job, method: str, family: str, seed: int) -> dict[str, Any]:
    return {
        "study": job.settings["study"],
        "task": job.settings["task"]["name"],
        "method": method,
        "family": family,
        "seed": seed,
        "scale": job.settings["scale"],
        "config": job.config,
        "code": job.code,
    }

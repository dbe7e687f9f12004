"""Run every method on a task's prompts, and measure errors and similarities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from iclbench.files import load_arrays
from iclbench.measures import directions, mean_cosines, rows_from_errors, squared_errors
from iclbench.method import Method
from iclbench.models.trained import TrainedModel
from iclbench.records import FAMILIES, collect_provenance, left_out, make_rows, write
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
    where the task has them; the cosine of the errors, or of the predictions, of every two methods
    at all iterates of both, of which the second is not trained, as a row has one seed.

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
    runs.sort(key=lambda run: FAMILIES.index(run.family), reverse=True)
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
    for of in job.settings["similarities"]:
        tables += list(_similarities(job, runs, outputs, of))
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
            size = job.settings["prompts_at_once"]
            parts = zip(inputs.split(size), outputs.split(size), strict=True)
            predictions = torch.cat([method.predict(*part) for part in parts], dim=1)
            yield Run(name, family, 0, method.iterates, predictions)
        elif isinstance(method, TrainedModel):
            trained = load(models[name])
            predictions = predict(trained, method, inputs, outputs)
            for seed, each in zip(trained.seeds, predictions, strict=True):
                yield Run(name, family, seed, method.iterates, each)


def _similarities(
    job: Job, runs: list[Run], outputs: torch.Tensor, of: str
) -> Iterator[pd.DataFrame]:
    compared = [run for run in runs if run.family != "reference"]
    if not compared:
        return
    # Rows have one seed, that of the first; so the second is a method that has none.
    seconds = [run for run in compared if run.family != "trained"]
    depths = np.concatenate([run.iterates for run in seconds] or [[]])
    names = np.repeat([run.method for run in seconds], [len(run.iterates) for run in seconds])
    metric, subtracted = "prediction_similarity", 0.0
    if of == "errors":
        metric, subtracted = "similarity", outputs
    residuals = torch.cat([run.predictions.double() - subtracted for run in compared])
    ways = directions(residuals)
    mean, stderr = mean_cosines(ways, ways[:, : len(depths)])
    at = 0
    for run in compared:
        rows = slice(at, at + len(run.iterates))
        before = slice(min(at, len(depths)))
        at = rows.stop
        yield make_rows(
            _labels(job, run.method, run.family, run.seed),
            metric=metric,
            iterate=np.asarray(run.iterates)[:, None],
            reference=names[before],
            reference_iterate=depths[before],
            value=mean[rows, before].numpy(),
            stderr=stderr[rows, before].numpy(),
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

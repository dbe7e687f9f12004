"""Train a model on a task, all its seeds at once."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from iclbench.models.trained import TrainedModel
from iclbench.records import collect_provenance, make_rows, write
from iclbench.stages.job import read_family, read_job, read_kind
from iclbench.training.settings import Training
from iclbench.training.train import train
from iclbench.training.trained import save


def train_model(
    plan: Path, model: Path, rows: Path, checkpoints: Path, checkpoint_every: str
) -> None:
    """Train a model on a task; where an earlier job of the same plan was killed, go on from there.

    Args:
        plan: The job's plan: task, model, seeds, root of the random streams.
        model: The safetensors file to write, every seed's parameters stacked.
        rows: The Parquet file to write: the training loss of every seed against the step.
        checkpoints: The folder that holds where this training stands; removed when it ends.
        checkpoint_every: Time or steps between two checkpoints: "60 s" or "500 steps".
    """
    job = read_job(plan)
    task, described = job.settings["task"], job.settings["model"]
    settings = read_kind("models", described["settings"])
    assert isinstance(settings, TrainedModel)
    training = Training.model_validate(described["training"])
    number, unit = checkpoint_every.split()
    trained = train(
        read_family(task),
        task["length"],
        settings,
        training,
        names=(str(job.settings["root"]), task["name"], described["name"]),
        seeds=range(job.settings["seeds"]),
        checkpoints=checkpoints,
        fingerprint=job.fingerprint,
        checkpoint_every=int(number) if unit == "steps" else timedelta(seconds=float(number)),
    )
    save(trained, model)
    steps = np.array(trained.steps)
    labels = {
        "study": "training",
        "task": task["name"],
        "method": described["name"],
        "family": "trained",
        "scale": job.settings["scale"],
        "config": job.config,
        "code": job.code,
    }
    curves = [
        make_rows(
            labels | {"seed": seed},
            metric="training_loss",
            iterate=steps,
            value=losses.numpy(force=True),
            n=np.diff(steps, prepend=0) * training.batch,
        )
        for seed, losses in zip(trained.seeds, trained.losses.T, strict=True)
    ]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    provenance = collect_provenance(job.settings, job.code, device, torch.get_num_threads())
    write(pd.concat(curves, ignore_index=True), rows, provenance)
    shutil.rmtree(checkpoints, ignore_errors=True)

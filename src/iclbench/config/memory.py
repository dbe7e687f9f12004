"""How much memory jobs need at least; those that are too large are refused before they start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from iclbench.config.faults import Fault, fault_at
from iclbench.config.files import ModelFile, chosen
from iclbench.config.run import Config

NUMBER = 8
"""Bytes of a float64."""

LIBRARIES = 1500
"""What a job takes beside its numbers, in MB: Python with torch, and what methods hold."""


class Needed(NamedTuple):
    """What a job holds at once: bytes, on which task, in words, and what to lower."""

    bytes: int
    task: str
    what: str
    remedy: str

    @property
    def megabytes(self) -> int:
        """What to ask of a machine for it: as much again for what is made of it, and libraries."""
        return LIBRARIES + 2 * self.bytes // 10**6


def too_large(config: Config) -> Iterator[Fault]:
    """Return a fault for every task of which a job needs more memory than a job may take."""
    limit = config.run.memory
    largest: dict[str, Needed] = {}
    for job in needed(config).values():
        largest[job.task] = max(job, largest.get(job.task, job))
    for task, job in largest.items():
        if job.bytes > limit * 1e9:
            said = (
                f"{job.what} needs {job.bytes / 1e9:,.0f} GB at least, and a job may take {limit:,}"
            )
            remedy = f"lower {job.remedy}, or raise memory in config.yaml if there is as much"
            yield fault_at(config.layers["tasks"][task], ("length",), f"{said}; {remedy}")


def needed(config: Config) -> dict[str, Needed]:
    """Return what the jobs ``predict/STUDY/TASK`` and ``train/TASK/MODEL`` hold at once.

    What is counted is what a job holds whatever its methods do: the prompts with the predictions of
    the oracle, and every prediction, beside its residual where predictions are compared; of a
    training, the prompts of a step, or all of them where their number is fixed.
    """
    jobs: dict[str, Needed] = {}
    for name in chosen(config.run.studies, config.studies):
        study = config.studies[name]
        for task_name in chosen(study.tasks, config.tasks):
            task, prompts = config.tasks[task_name], config.scale.prompts
            p, q = task.family.input_dim, task.family.output_dim
            sizes = f"{task.length:,} pairs of {p:,} and {q:,} numbers"
            methods, reasons = config.methods(name, task_name)
            predictions = 0
            for method_name in methods.keys() - reasons:
                method, seeds = methods[method_name], 1
                if isinstance(method, ModelFile) and method.training is not None:
                    own = study.seeds if method_name in config.variants[name] else None
                    seeds = own or config.scale.seeds
                    kept = method.training.train_set or method.training.batch
                    jobs[f"train/{task_name}/{method_name}"] = Needed(
                        NUMBER * seeds * kept * task.length * (p + q),
                        task_name,
                        f"training {method_name}: {seeds:,} x {kept:,} prompts of {sizes}",
                        "length, its dimensions, the seeds, the batch or the train_set",
                    )
                predictions += seeds * len(method.method.iterates)
            copies = 2 if study.similarities else 1
            jobs[f"predict/{name}/{task_name}"] = Needed(
                NUMBER * prompts * task.length * (p + 2 * q + copies * predictions * q),
                task_name,
                f"study {name}: {prompts:,} prompts of {sizes}, {predictions:,} predictions each",
                "length, its dimensions, or prompts in the scale",
            )
    return jobs

"""Jobs that are too large for memory, refused before anything is allocated."""

from __future__ import annotations

from collections.abc import Iterator

from iclbench.config.faults import Fault, fault_at
from iclbench.config.files import ModelFile, chosen
from iclbench.config.run import Config

NUMBER = 8
"""Bytes of a float64."""


def too_large(config: Config) -> Iterator[Fault]:
    """Return a fault for every task of which a job needs more memory than a job may take.

    What is counted is what a job holds at once whatever its methods do: the prompts with the
    predictions of the oracle, and every prediction that is compared, beside its residual; of a
    training, the prompts of a step. What methods hold on the way comes on top.
    """
    limit = config.run.memory
    for task, jobs in _jobs(config).items():
        needed, what, remedy = max(jobs)
        if needed > limit * 1e9:
            said = f"{what} needs {needed / 1e9:,.0f} GB at least, and a job may take {limit:,}"
            remedy = f"lower {remedy}, or raise memory in config.yaml if there is as much"
            yield fault_at(config.layers["tasks"][task], ("length",), f"{said}; {remedy}")


def _jobs(config: Config) -> dict[str, list[tuple[int, str, str]]]:
    """Return of each task its jobs: bytes, what is done in words, what to lower."""
    jobs: dict[str, list[tuple[int, str, str]]] = {}
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
                    batch = method.training.batch
                    drawn = NUMBER * seeds * batch * task.length * (p + q)
                    what = f"a step of {method_name}: {seeds:,} x {batch:,} prompts of {sizes}"
                    remedy = "length, its dimensions, the seeds or the batch"
                    jobs.setdefault(task_name, []).append((drawn, what, remedy))
                predictions += seeds * len(method.method.iterates)
            held = NUMBER * prompts * task.length * (p + 2 * q + 2 * predictions * q)
            what = f"study {name}: {prompts:,} prompts of {sizes}, {predictions:,} predictions each"
            remedy = "length, its dimensions, or prompts in the scale"
            jobs.setdefault(task_name, []).append((held, what, remedy))
    return jobs

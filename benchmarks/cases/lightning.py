"""What Lightning costs around the steps of training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.agreement import largest_difference
from benchmarks.case import Aim, Case, Comparison, Options, Run
from benchmarks.ensemble import Stepper, built
from benchmarks.environment import ROOT
from benchmarks.references import bare_loop
from benchmarks.report import counted
from iclbench.config.files import ModelFile, TaskFile
from iclbench.config.reading import read_config, read_yaml
from iclbench.lazy import torch
from iclbench.training.data import batches
from iclbench.training.settings import Training
from iclbench.training.train import train

NAMES = ("benchmarks", "lightning")
FIRST = 20
"""Steps before the clock is looked at first: loading, compiling and first steps cancel."""
AIM = Aim("ratio", 1 / 1.1)
TOLERANCE = 1e-5


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the smallest and the largest training of the laptop scale, by the time of a step."""
    config = read_config(read_yaml(ROOT / "config.yaml"), ROOT / "config")
    for study, task, model, steps in (
        ("leaderboard", "haar", "augmented", 400),
        ("newton", "linear", "newton_gpt2", 100),
    ):
        methods, _ = config.methods(study, task)
        method = methods[model]
        assert isinstance(method, ModelFile) and method.training is not None
        seeds = list(range(config.studies[study].seeds or config.scale.seeds))
        last = FIRST + (5 if options.small else steps)
        training = method.training.model_copy(update={"steps": last})
        work = (config.tasks[task], method.model, training, seeds)
        yield Comparison(
            series=f"{model} on {task}",
            size=f"{counted(len(seeds), 'seed')} × {last - FIRST} steps",
            ours=partial(ours, *work),
            reference=partial(bare, *work),
            aims=(AIM,),
            difference=largest_difference,
            tolerance=TOLERANCE,
            warm_up=(),
        )


def ours(task: TaskFile, model: Any, training: Training, seeds: list[int], repetition: int) -> Run:
    """Train by Lightning; seconds are those from the first look to the last step."""
    del repetition
    watch = Watch(training.steps)
    with TemporaryDirectory() as folder, redirect_stderr(StringIO()):
        trained = train(
            task.family,
            task.length,
            model,
            training,
            NAMES,
            seeds,
            Path(folder),
            "",
            device="cpu",
            observe=lambda step, _: watch.look(step),
            observe_at=(FIRST, training.steps),
        )
    return Run(watch.seconds(), _flat(trained.state))


def bare(task: TaskFile, model: Any, training: Training, seeds: list[int], repetition: int) -> Run:
    """Train the same ensemble on the same data by a bare loop."""
    del repetition
    watch = Watch(training.steps)
    family = task.family
    ensemble = built(
        model, family.input_dim, family.output_dim, task.length, training, NAMES, seeds
    )
    data = batches([family] * len(seeds), task.length, training, NAMES, seeds)
    bare_loop.train(Stepper(ensemble), data, watch.look)
    return Run(watch.seconds(), _flat(ensemble.state()))


class Watch:
    """The clock at the first look and at the last step."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.times: dict[int, float] = {}

    def look(self, step: int) -> None:
        """Note the time after this many steps, if it is of interest."""
        if step in (FIRST, self.last):
            self.times[step] = perf_counter()

    def seconds(self) -> float:
        """Return the seconds in between."""
        return self.times[self.last] - self.times[FIRST]


def _flat(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([state[name].detach().flatten() for name in sorted(state)])


CASE = Case(
    name="lightning",
    summary="training an ensemble of seeds by iclbench.training.train (aim: at most 1.1 times what "
    f"the bare loop takes; from step {FIRST} on, so that start-up cancels)",
    reference="a bare loop: the same ensemble, data and optimiser, without Lightning, checkpoints, "
    "records of the loss and looks at whether a seed diverges",
    comparisons=comparisons,
)

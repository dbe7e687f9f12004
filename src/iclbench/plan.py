"""What a run consists of: its jobs, and for each job one file with everything that determines it.

A job's plan holds the settings it works from, the digest of the code it runs, and the versions of
the libraries that compute. It is an input of the job like any other: a job is out of date exactly
when its plan, its rule or the results it reads have changed. Plans are named by what they hold, so
that another run's, or a dry run's, never take the place of those that a run under way still reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from iclbench.capabilities import why_not
from iclbench.config.files import ModelFile, SolverFile, TaskFile
from iclbench.config.reading import Config, chosen
from iclbench.digests import canonical, digest, digest_code
from iclbench.files import written_aside
from iclbench.models.trained import TrainedModel
from iclbench.registry import locations
from iclbench.settings import Settings

LIBRARIES = {
    "prompts": ("numpy", "scipy"),
    "train": ("numpy", "scipy", "torch", "pytorch-lightning"),
    "predict": ("numpy", "torch"),
    "draw": ("numpy", "scipy", "pandas", "matplotlib", "seaborn"),
}
"""What computes, in each stage: another version of it makes a job out of date."""


@dataclass(frozen=True)
class Figure:
    """A figure to draw: its name, the study it belongs to, and its task where it has one."""

    name: str
    kind: str
    study: str
    task: str | None


@dataclass(frozen=True)
class Plan:
    """The jobs of a run, by stage.

    Attributes:
        tasks: Tasks that evaluation prompts are drawn for.
        trained: The models trained on each task.
        predicted: The tasks that each study compares methods on.
        models: The trained models that each study compares on each task.
        figures: Figures by name.
        texts: Every job's plan, by stage and name.
    """

    tasks: list[str]
    trained: dict[str, list[str]]
    predicted: dict[str, list[str]]
    models: dict[tuple[str, str], list[str]]
    figures: dict[str, Figure]
    texts: dict[str, str] = field(repr=False)

    def file(self, job: str) -> str:
        """Return the path of a job's plan below the folder of plans; a job is ``stage/name``."""
        return f"{job}.{digest(self.texts[job])}.json"

    @property
    def figures_of_kinds(self) -> dict[str, list[str]]:
        """The names of the figures of each kind."""
        kinds: dict[str, list[str]] = {}
        for figure in self.figures.values():
            kinds.setdefault(figure.kind, []).append(figure.name)
        return kinds

    def tables(self, figure: str) -> list[str]:
        """Return the tables of rows that a figure is drawn from, by their names."""
        drawn = self.figures[figure]
        tasks = self.predicted[drawn.study] if drawn.task is None else [drawn.task]
        if drawn.kind == "training":
            return [
                f"training/{task}/{model}"
                for task in tasks
                for model in self.models[drawn.study, task]
            ]
        return [f"{drawn.study}/{task}" for task in tasks]

    def write(self, folder: Path) -> None:
        """Write the plans that are not there yet below a folder.

        A plan that returns after another one of its job is renewed: what was made by the other one
        in between is out of date, also where nothing but the times of files tells.
        """
        for job, text in self.texts.items():
            path = folder / self.file(job)
            if not path.exists():
                with written_aside(path) as aside:
                    aside.write_text(text, encoding="utf-8")
                continue
            made = path.stat().st_mtime_ns
            others = path.parent.glob(f"{path.name.partition('.')[0]}.*.json")
            if any(other.stat().st_mtime_ns > made for other in others):
                path.touch()

    def stale_tables(self, metrics: Path) -> list[Path]:
        """Return the tables of rows below a folder that belong to no job of this run."""
        tables = {f"training/{task}/{model}" for task in self.tasks for model in self.trained[task]}
        tables |= {f"{study}/{task}" for study, tasks in self.predicted.items() for task in tasks}
        found = sorted(metrics.rglob("*.parquet"))
        return [path for path in found if path.relative_to(metrics).as_posix()[:-8] not in tables]


def make_plan(config: Config) -> Plan:
    """Return the jobs of a run.

    A task and a method that cannot work together are left out here, before any job starts; the
    reason travels with the plan of the task's comparison.
    """
    studies = {name: config.studies[name] for name in chosen(config.run.studies, config.studies)}
    texts: dict[str, str] = {}
    trained: dict[str, set[str]] = {}
    predicted: dict[str, list[str]] = {}
    compared: dict[tuple[str, str], list[str]] = {}
    figures: dict[str, Figure] = {}
    for study_name, study in studies.items():
        tasks = chosen(study.tasks, config.tasks)
        predicted[study_name] = tasks
        for task_name in tasks:
            task = config.tasks[task_name]
            trained.setdefault(task_name, set())
            working, left_out = _methods(config, study_name, task)
            models = [name for name, method in working.items() if _is_trained(method)]
            trained[task_name].update(models)
            compared[study_name, task_name] = models
            texts[f"predict/{study_name}/{task_name}"] = _plan_of(
                "predict",
                _modules(task.family, *(method.method for method in working.values())),
                study=study_name,
                task=_task_settings(task_name, task),
                methods={name: _method_settings(method) for name, method in working.items()},
                left_out=left_out,
                scale=config.run.scale,
            )
        for figure in _figures(study_name, study.figures, tasks):
            figures[figure.name] = figure
            texts[f"draw/{figure.name}"] = _plan_of(
                "draw",
                [locations("figures")[figure.kind].partition(":")[0]],
                kind=figure.kind,
                task=figure.task,
            )
    for task_name, models in trained.items():
        task = config.tasks[task_name]
        settings = _task_settings(task_name, task)
        texts[f"prompts/{task_name}"] = _plan_of(
            "prompts",
            _modules(task.family),
            task=settings,
            prompts=config.scale.prompts,
            root=config.run.seed,
        )
        for model_name in models:
            model = config.models[model_name]
            texts[f"train/{task_name}/{model_name}"] = _plan_of(
                "train",
                _modules(task.family, model.method),
                task=settings,
                model={"name": model_name, **_method_settings(model)},
                seeds=config.scale.seeds,
                root=config.run.seed,
                scale=config.run.scale,
            )
    return Plan(
        tasks=sorted(trained),
        trained={task: sorted(models) for task, models in sorted(trained.items())},
        predicted=predicted,
        models=compared,
        figures=figures,
        texts=texts,
    )


def _methods(
    config: Config, study: str, task: TaskFile
) -> tuple[dict[str, ModelFile | SolverFile], dict[str, dict[str, str]]]:
    """Return a study's methods that work on a task, and the others with the reason."""
    working: dict[str, ModelFile | SolverFile] = {}
    left_out: dict[str, dict[str, str]] = {}
    models = chosen(config.studies[study].models, config.models)
    solvers = chosen(config.studies[study].solvers, config.solvers)
    for name, method in [
        *((name, config.models[name]) for name in models),
        *((name, config.solvers[name]) for name in solvers),
    ]:
        reason = why_not(method.needs, task.family.facts)
        if reason:
            left_out[name] = {"family": _family(method), "reason": reason}
        else:
            working[name] = method
    return working, left_out


def _figures(study: str, named: dict[str, Any], tasks: list[str]) -> Iterator[Figure]:
    for name, figure in named.items():
        if figure.is_per_task:
            for task in tasks:
                yield Figure(f"{name}_{task}", figure.kind, study, task)
        else:
            yield Figure(name, figure.kind, study, None)


def _family(method: ModelFile | SolverFile) -> str:
    if isinstance(method, SolverFile):
        return "solver"
    return "trained" if _is_trained(method) else "constructed"


def _is_trained(method: ModelFile | SolverFile) -> bool:
    return isinstance(method.method, TrainedModel)


def _task_settings(name: str, task: TaskFile) -> dict[str, Any]:
    return {"name": name, "length": task.length, "room": task.room, "family": _dump(task.family)}


def _method_settings(method: ModelFile | SolverFile) -> dict[str, Any]:
    settings = {"family": _family(method), "settings": _dump(method.method)}
    if isinstance(method, ModelFile) and method.training is not None:
        settings["training"] = _dump(method.training)
    return settings


def _modules(*settings: Settings) -> set[str]:
    """Return the modules of the kinds in use, nested ones included."""
    found = {type(part).__module__ for part in settings}
    for part in settings:
        found |= _modules(*(value for _, value in part if isinstance(value, Settings)))
    return found


def _dump(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(mode="json")


def _plan_of(stage: str, modules: Iterable[str], **settings: Any) -> str:
    """Return a job's plan: settings, the digest of its stage and of the kinds it uses, versions."""
    content = {
        "settings": settings,
        "code": digest_code([f"iclbench.stages.{stage}", *modules]),
        "versions": {library: _version(library) for library in LIBRARIES[stage]},
    }
    return canonical(content)


@cache
def _version(library: str) -> str:
    """Return the version of a library; its builds, for a CPU or a GPU, count as one."""
    return version(library).partition("+")[0]

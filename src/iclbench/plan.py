"""What a run consists of: its jobs, and for each job one file with everything that determines it.

A job's plan holds the settings it works from, the digest of the code it runs, and the versions of
the libraries that compute. It is an input of the job like any other: a job is out of date exactly
when its plan, its rule or the results it reads have changed. Plans are named by what they hold, so
that another run's, or a dry run's, never take the place of those that a run under way still reads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from iclbench.capabilities import why_not
from iclbench.config.files import ModelFile, SolverFile, StudyFile, TaskFile
from iclbench.config.reading import Config, chosen
from iclbench.digests import canonical, digest, digest_code, digest_settings
from iclbench.files import written_aside
from iclbench.models.trained import TrainedModel
from iclbench.registry import locations
from iclbench.settings import Settings

LIBRARIES = {
    "prompts": ("numpy", "scipy"),
    "train": ("numpy", "scipy", "torch", "pytorch-lightning"),
    "predict": ("numpy", "torch"),
    "measure": ("numpy", "scipy", "torch"),
    "draw": ("numpy", "scipy", "pandas", "matplotlib", "seaborn"),
    "decide": ("numpy", "scipy", "pandas"),
    "report": ("pandas", "jinja2"),
}
"""What computes, in each stage: another version of it makes a job out of date."""


@dataclass(frozen=True)
class Figure:
    """A figure to draw: the study it belongs to, its task where it has one, the tables it reads."""

    name: str
    kind: str
    study: str
    task: str | None
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """Claims to decide: the tables that hold their evidence, the figures that show it."""

    tables: tuple[str, ...]
    figures: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """The jobs of a run, by stage.

    Attributes:
        tasks: Tasks that evaluation prompts are drawn for.
        trained: The models trained on each task.
        predicted: The tasks that each study compares methods on.
        models: The trained models that each study compares on each task.
        measured: The measurements of each study.
        figures: Figures by name.
        decisions: Claims and controls: each alone by ``STUDY/NAME``, and all of a study by
            ``STUDY``.
        texts: Every job's plan, by stage and name.
    """

    tasks: list[str]
    trained: dict[str, list[str]]
    predicted: dict[str, list[str]]
    models: dict[tuple[str, str], list[str]]
    measured: dict[str, list[str]]
    figures: dict[str, Figure]
    decisions: dict[str, Decision]
    texts: dict[str, str] = field(repr=False)

    def file(self, job: str) -> str:
        """Return the path of a job's plan below the folder of plans; a job is ``stage/name``."""
        return f"{job}.{digest(self.texts[job])}.json"

    @property
    def shown(self) -> list[str]:
        """The names of the figures that claims point to."""
        return sorted({figure for each in self.decisions.values() for figure in each.figures})

    @property
    def figures_of_kinds(self) -> dict[str, list[str]]:
        """The names of the figures of each kind."""
        kinds: dict[str, list[str]] = {}
        for figure in self.figures.values():
            kinds.setdefault(figure.kind, []).append(figure.name)
        return kinds

    def write(self, folder: Path) -> Callable[[], None]:
        """Write the plans that are not there yet below a folder.

        A plan that returns after another one of its job is renewed: what was made by the other one
        in between is out of date, also where nothing but the times of files tells.

        Returns:
            A function that takes all of this back, for a run that only looks at what is to be done.
        """
        undo: list[Callable[[], object]] = []
        for job, text in self.texts.items():
            path = folder / self.file(job)
            if not path.exists():
                with written_aside(path) as aside:
                    aside.write_text(text, encoding="utf-8")
                undo.append(partial(path.unlink, missing_ok=True))
                continue
            made = path.stat().st_mtime_ns
            others = path.parent.glob(f"{path.name.partition('.')[0]}.*.json")
            if any(other.stat().st_mtime_ns > made for other in others):
                path.touch()
                undo.append(partial(os.utime, path, ns=(made, made)))

        def take_back() -> None:
            for step in undo:
                step()

        return take_back

    def stale(self, results: Path) -> list[Path]:
        """Return tables, figures and verdicts in the folder of results that are not of this run.

        Verdicts of single claims are among them: those of whole studies hold them too.
        """
        metrics = results / "metrics"
        tables = {f"training/{task}/{model}" for task in self.tasks for model in self.trained[task]}
        tables |= {f"{study}/{task}" for study, tasks in self.predicted.items() for task in tasks}
        tables |= {
            f"measured/{study}/{name}" for study, names in self.measured.items() for name in names
        }
        files = [*metrics.rglob("*.parquet")]
        old = [path for path in files if _name_below(metrics, path) not in tables]
        figures, claims = results / "figures", results / "claims"
        old += [path for path in figures.glob("*.*") if path.stem not in self.figures]
        studies = {decided for decided in self.decisions if "/" not in decided}
        verdicts = [path for path in claims.rglob("*.parquet") if path.stem != "scorecard"]
        old += [path for path in verdicts if _name_below(claims, path) not in studies]
        return sorted(old)


def _name_below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def make_plan(config: Config) -> Plan:
    """Return the jobs of a run.

    A task and a method that cannot work together are left out here, before any job starts; the
    reason travels with the plan of the task's comparison.
    """
    studies = {name: config.studies[name] for name in chosen(config.run.studies, config.studies)}
    texts: dict[str, str] = {}
    trained: dict[str, dict[str, int]] = {}
    models: dict[str, ModelFile] = {}
    compared: dict[tuple[str, str], list[str]] = {}
    figures: dict[str, Figure] = {}
    decisions: dict[str, Decision] = {}
    for name, study in studies.items():
        for task_name in chosen(study.tasks, config.tasks):
            task = config.tasks[task_name]
            working, left_out = _methods(config, name, task_name)
            compared[name, task_name] = []
            jobs = trained.setdefault(task_name, {})
            for method_name, method in working.items():
                if isinstance(method, ModelFile) and _is_trained(method):
                    own = study.seeds if method_name in config.variants[name] else None
                    jobs[method_name] = own or config.scale.seeds
                    models[method_name] = method
                    compared[name, task_name].append(method_name)
            texts[f"predict/{name}/{task_name}"] = _plan_of(
                "predict",
                _modules(task.family, *(method.method for method in working.values())),
                study=name,
                task=_task_settings(task_name, task),
                methods={each: _method_settings(method) for each, method in working.items()},
                left_out=left_out,
                similarities=study.similarities,
                scale=config.run.scale,
            )
        for measurement_name, measurement in study.measurements.items():
            texts[f"measure/{name}/{measurement_name}"] = _plan_of(
                "measure",
                _modules(measurement),
                study=name,
                name=measurement_name,
                measurement=_dump(measurement),
                files={name: _digest_file(path) for name, path in measurement.files.items()},
                root=config.run.seed,
                scale=config.run.scale,
            )
        for figure in _figures(name, study, compared):
            figures[figure.name] = figure
            texts[f"draw/{figure.name}"] = _plan_of(
                "draw",
                [locations("figures")[figure.kind].partition(":")[0]],
                kind=figure.kind,
                task=figure.task,
            )
        claims = list(_claims(name, study, compared, config.run.scale))
        chosen_claims = {f"{name}/{claim['name']}": [claim] for claim in claims}
        for decided, some in (chosen_claims | ({name: claims} if claims else {})).items():
            tables = sorted({table for claim in some for table in claim["tables"]})
            shown = {claim["claim"]["figure"] for claim in some} & figures.keys()
            decisions[decided] = Decision(tuple(tables), frozenset(shown))
            texts[f"decide/{decided}"] = _plan_of(
                "decide",
                (),
                study=name,
                paper=study.paper,
                claims=some,
                tables=tables,
                scale=config.run.scale,
                root=config.run.seed,
            )
    page = resources.files("iclbench.claims").joinpath("page.html.j2").read_text(encoding="utf-8")
    texts["report/scorecard"] = _plan_of("report", (), page=digest(page))
    for task_name, jobs in trained.items():
        task = config.tasks[task_name]
        settings = _task_settings(task_name, task)
        texts[f"prompts/{task_name}"] = _plan_of(
            "prompts",
            _modules(task.family),
            task=settings,
            prompts=config.scale.prompts,
            root=config.run.seed,
        )
        for model_name, seeds in jobs.items():
            model = models[model_name]
            texts[f"train/{task_name}/{model_name}"] = _plan_of(
                "train",
                _modules(task.family, model.method),
                task=settings,
                model={"name": model_name, **_method_settings(model)},
                seeds=seeds,
                root=config.run.seed,
                scale=config.run.scale,
            )
    return Plan(
        tasks=sorted(trained),
        trained={task: sorted(jobs) for task, jobs in sorted(trained.items())},
        predicted={name: chosen(study.tasks, config.tasks) for name, study in studies.items()},
        models=compared,
        measured={name: list(study.measurements) for name, study in studies.items()},
        figures=figures,
        decisions=decisions,
        texts=texts,
    )


def _methods(
    config: Config, study: str, task: str
) -> tuple[dict[str, ModelFile | SolverFile], dict[str, dict[str, str]]]:
    """Return a study's methods that work on a task, and the others with the reason."""
    settings = config.studies[study]
    methods: dict[str, ModelFile | SolverFile] = {}
    methods |= {name: config.models[name] for name in chosen(settings.models, config.models)}
    methods |= {name: config.solvers[name] for name in chosen(settings.solvers, config.solvers)}
    for name, method in config.variants[study].items():
        variant = settings.variants[name]
        if variant is not None and task in chosen(variant.tasks, config.tasks):
            methods[name] = method
    facts = config.tasks[task].family.facts
    reasons = {name: why_not(method.needs, facts) for name, method in methods.items()}
    working = {name: method for name, method in methods.items() if not reasons[name]}
    left_out = {
        name: {"family": _family(methods[name]), "reason": reason}
        for name, reason in reasons.items()
        if reason
    }
    return working, left_out


def _figures(
    name: str, study: StudyFile, models: dict[tuple[str, str], list[str]]
) -> Iterator[Figure]:
    tasks = [task for each, task in models if each == name]
    for title, figure in study.figures.items():
        if figure.is_per_task:
            for task in tasks:
                yield Figure(f"{title}_{task}", figure.kind, name, task, (f"{name}/{task}",))
        else:
            default = ["training"] if figure.kind == "training" else tasks
            tables = _tables(name, study, figure.tables or default, models)
            yield Figure(title, figure.kind, name, None, tables)


def _claims(
    name: str, study: StudyFile, models: dict[tuple[str, str], list[str]], scale: str
) -> Iterator[dict[str, Any]]:
    """Yield the claims and controls of a study as plain data.

    One that the scale cannot decide needs no tables.
    """
    for control, named in ((False, study.claims), (True, study.controls)):
        for title, claim in named.items():
            content = _dump(claim)
            evidence = claim.evidence if scale in claim.scales else []
            yield {
                "name": title,
                "control": control,
                "claim": content,
                "tables": list(_tables(name, study, evidence, models)),
                "config": digest_settings(content),
            }


def _tables(
    name: str,
    study: StudyFile,
    named: Iterable[str],
    models: dict[tuple[str, str], list[str]],
) -> tuple[str, ...]:
    """Return the tables of rows that names stand for: measurements, tasks, and all ``training``."""
    tables: list[str] = []
    for each in named:
        if each == "training":
            trained = {task: found for (study, task), found in models.items() if study == name}
            tables += [f"training/{task}/{model}" for task in trained for model in trained[task]]
        elif each in study.measurements:
            tables.append(f"measured/{name}/{each}")
        else:
            tables.append(f"{name}/{each}")
    return tuple(tables)


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
        found |= _modules(*_nested([value for _, value in part]))
    return found


def _nested(value: Any) -> Iterator[Settings]:
    """Yield the settings in a value: itself, or those in its lists and mappings."""
    if isinstance(value, Settings):
        yield value
    elif isinstance(value, Mapping):
        yield from _nested(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _nested(each)


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


def _digest_file(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _version(library: str) -> str:
    """Return the version of a library; its builds, for a CPU or a GPU, count as one."""
    return version(library).partition("+")[0]

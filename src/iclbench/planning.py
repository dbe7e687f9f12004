"""From the settings of a run to its plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from iclbench.config.files import ModelFile, SolverFile, StudyFile, TaskFile, chosen
from iclbench.config.run import Config
from iclbench.digests import canonical, digest, digest_code, digest_file, digest_settings
from iclbench.libraries import LIBRARIES, version_of
from iclbench.plan import Decision, Figure, Plan
from iclbench.registry import locations
from iclbench.settings import Settings
from iclbench.training.examination import Examination


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
    examined: dict[tuple[str, str], tuple[str, list[str]]] = {}
    speakers: dict[str, list[str]] = {}
    figures: dict[str, Figure] = {}
    decisions: dict[str, Decision] = {}
    for name, study in studies.items():
        for task_name in chosen(study.tasks, config.tasks):
            task = config.tasks[task_name]
            methods, reasons = config.methods(name, task_name)
            working = {each: file for each, file in methods.items() if each not in reasons}
            compared[name, task_name] = []
            speakers[f"{name}/{task_name}"] = list(working)
            jobs = trained.setdefault(task_name, {})
            for method_name, method in working.items():
                if isinstance(method, ModelFile) and method.family == "trained":
                    own = study.seeds if method_name in config.variants[name] else None
                    jobs[method_name] = own or config.scale.seeds
                    models[method_name] = method
                    compared[name, task_name].append(method_name)
                    speakers[f"training/{task_name}/{method_name}"] = [method_name]
            texts[f"predict/{name}/{task_name}"] = _plan_of(
                "predict",
                _modules(task.family, *(method.method for method in working.values())),
                study=name,
                task=_task_settings(task_name, task),
                methods={each: _method_settings(method) for each, method in working.items()},
                left_out=_left_out(methods, reasons),
                prompts_at_once=config.scale.prompts_at_once,
                similarities=study.similarities,
                scale=config.run.scale,
            )
        for measurement_name, measurement in study.measurements.items():
            stage, modules, more = "measure", _modules(measurement), {}
            if isinstance(measurement, Examination):
                stage = "examine"
                all_methods, _ = config.methods(name, measurement.of)
                methods = {each: all_methods[each] for each in measurement.methods}
                speakers[f"measured/{name}/{measurement_name}"] = list(methods)
                task = config.tasks[measurement.of]
                modules |= _modules(task.family, *(each.method for each in methods.values()))
                more = {
                    "task": _task_settings(measurement.of, task),
                    "methods": {each: _method_settings(file) for each, file in methods.items()},
                }
                learners = [each for each, file in methods.items() if file.family == "trained"]
                examined[name, measurement_name] = (measurement.of, learners)
            texts[f"{stage}/{name}/{measurement_name}"] = _plan_of(
                stage,
                modules,
                study=name,
                name=measurement_name,
                measurement=_dump(measurement),
                files={file: digest_file(path) for file, path in measurement.files.items()},
                root=config.run.seed,
                scale=config.run.scale,
                **more,
            )
        for figure in _figures(name, study, compared, speakers):
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
    texts["report/scorecard"] = _plan_of("report", (), page=_digest_page("iclbench.claims"))
    texts["describe/run"] = _plan_of("describe", (), **_overview(config, studies))
    texts["explore/page"] = _plan_of("explore", (), page=_digest_page("iclbench.explorer"))
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
        examined=examined,
        figures=figures,
        decisions=decisions,
        texts=texts,
    )


def _overview(config: Config, studies: Mapping[str, StudyFile]) -> dict[str, Any]:
    """Return all settings of the run, for people to look up."""
    methods: dict[str, ModelFile | SolverFile] = {}
    for name, study in studies.items():
        for task in chosen(study.tasks, config.tasks):
            methods |= config.methods(name, task)[0]
    tasks = sorted({task for each in studies.values() for task in chosen(each.tasks, config.tasks)})
    models = {name: file for name, file in methods.items() if isinstance(file, ModelFile)}
    rooms = {
        "tasks": {name: config.tasks[name] for name in tasks},
        "models": dict(sorted(models.items())),
        "solvers": {name: file for name, file in sorted(methods.items()) if name not in models},
        "studies": studies,
    }
    return {
        "page": _digest_page("iclbench.overview"),
        "libraries": {
            library: version_of(library) for library in sorted(set().union(*LIBRARIES.values()))
        },
        "run": config.run.model_dump(mode="json"),
        "scale": config.scale.model_dump(
            mode="json", include={"summary", "seeds", "prompts", "prompts_at_once"}
        ),
        **{
            room: {name: _summarised(file) for name, file in files.items()}
            for room, files in rooms.items()
        },
    }


def _summarised(file: Settings) -> dict[str, Any]:
    settings = file.model_dump(mode="json", by_alias=True, exclude={"claims", "controls"})
    return {"summary": settings.pop("summary"), "settings": settings}


def _left_out(
    methods: dict[str, ModelFile | SolverFile], reasons: dict[str, str]
) -> dict[str, dict[str, str]]:
    """Return the family of each method that cannot work, and the reason."""
    return {
        name: {"family": methods[name].family, "reason": reason} for name, reason in reasons.items()
    }


def _figures(
    name: str,
    study: StudyFile,
    models: dict[tuple[str, str], list[str]],
    speakers: Mapping[str, list[str]],
) -> Iterator[Figure]:
    tasks = [task for each, task in models if each == name]
    for title, figure in study.figures.items():
        if figure.is_per_task:
            for task in tasks:
                tables = (f"{name}/{task}",)
                methods = _named(tables, speakers)
                yield Figure(f"{title}_{task}", figure.kind, name, task, tables, methods)
        else:
            default = ["training"] if figure.kind == "training" else tasks
            tables = _tables(name, study, figure.tables or default, models)
            yield Figure(title, figure.kind, name, None, tables, _named(tables, speakers))


def _named(tables: Iterable[str], speakers: Mapping[str, list[str]]) -> str:
    """Return whose rows tables hold: the names of methods if they are few, else their number."""
    methods = sorted({method for table in tables for method in speakers.get(table, ())})
    if not methods:
        return "–"
    return ", ".join(methods) if len(methods) <= 3 else f"{len(methods)} methods"


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


def _task_settings(name: str, task: TaskFile) -> dict[str, Any]:
    return {"name": name, "length": task.length, "room": task.room, "family": _dump(task.family)}


def _method_settings(method: ModelFile | SolverFile) -> dict[str, Any]:
    settings = {"family": method.family, "settings": _dump(method.method)}
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
        "versions": {library: version_of(library) for library in LIBRARIES[stage]},
    }
    return canonical(content)


def _digest_page(package: str) -> str:
    """Return the digest of a package's page, as yet without what it shows."""
    page = resources.files(package).joinpath("page.html.j2")
    return digest(page.read_text(encoding="utf-8"))

"""Whether the files of a run fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from iclbench.config.faults import Fault, Origin, Place, fault_at, nearest
from iclbench.config.files import RunFile, StudyFile, chosen, named
from iclbench.config.run import Config
from iclbench.training.examination import Examination


def clashes(rooms: dict[str, dict[str, Any]], root: Path) -> Iterator[Fault]:
    """Return a fault for every name that two things would share in the results."""
    taken: dict[str, str] = {"oracle": "a reference", "bayes": "a reference"}
    for room in ("models", "solvers"):
        for name in rooms[room]:
            file = str(root / room / f"{name}.yaml")
            if name in taken:
                yield Fault(file, "", f"{name!r} is {taken[name]} already; rename the file")
            taken[name] = file
    drawn: dict[str, str] = {}
    targets: dict[str, str] = {}
    variants: dict[str, tuple[str, StudyFile]] = {}
    for study, settings in rooms["studies"].items():
        file = str(root / "studies" / f"{study}.yaml")
        if study in ("training", "measured", "scorecard"):
            yield Fault(file, "", f"results are filed under {study!r} already; rename the file")
        for name in settings.variants:
            if name in taken:
                message = f"{name!r} is {taken[name]} already; rename the variant"
                yield Fault(file, f"variants.{name}", message)
            elif name in variants and not _is_same(name, variants[name][1], settings):
                message = (
                    f"{name!r} is a variant in {variants[name][0]} with other settings or seeds, "
                    "those of the scale laid over; rename one, or make them the same"
                )
                yield Fault(file, f"variants.{name}", message)
            variants.setdefault(name, (file, settings))
        tasks = chosen(settings.tasks, rooms["tasks"])
        for name in settings.measurements.keys() & {"training", *tasks}:
            message = f"{name!r} is another table of this study; rename the measurement"
            yield Fault(file, f"measurements.{name}", message)
        for key in ("claims", "controls"):
            for name in getattr(settings, key):
                target = f"claim_{study}_{name}"
                if target in targets:
                    message = (
                        f"the target {target} stands for {targets[target]} already; rename one"
                    )
                    yield Fault(file, f"{key}.{name}", message)
                targets[target] = f"{key}.{name} in {file}"
        for name, figure in settings.figures.items():
            for full in named(name, figure, tasks):
                if full in drawn:
                    message = f"{drawn[full]} draws a figure {full!r} already; rename one"
                    yield Fault(file, f"figures.{name}", message)
                drawn[full] = file


def _is_same(name: str, one: StudyFile, other: StudyFile) -> bool:
    """Return whether two studies' variants of this name are one method, be it on other tasks."""
    first, second = (study.variants[name].model_dump(exclude={"tasks"}) for study in (one, other))
    return first == second and one.seeds == other.seeds


def unknown_tables(
    rooms: dict[str, dict[str, Any]], scale: str, origins: dict[str, Origin]
) -> Iterator[Fault]:
    """Return a fault for every figure or claim that reads what its study does not make.

    A claim that the scale cannot decide may speak of what the scale leaves out.
    """
    for study, settings in rooms["studies"].items():
        tasks = chosen(settings.tasks, rooms["tasks"])
        known = [*settings.measurements, *tasks, *(["training"] if tasks else [])]
        drawn: set[str] = set()
        wanted: list[tuple[Place, list[str]]] = []
        for name, figure in settings.figures.items():
            drawn.update(named(name, figure, tasks))
            wanted.append((("figures", name, "from"), figure.tables))
            if not figure.tables and settings.tasks == []:
                message = "this study has no tasks to draw; name tasks, or give from measurements"
                yield fault_at(origins[study], ("figures", name), message)
        for key in ("claims", "controls"):
            for name, claim in getattr(settings, key).items():
                if scale not in claim.scales:
                    continue
                wanted.append(((key, name, "evidence"), claim.evidence))
                if claim.figure is not None and claim.figure not in drawn:
                    hint = nearest(claim.figure, drawn)
                    message = f"{claim.figure!r} is no figure of this study; {hint}"
                    yield fault_at(origins[study], (key, name, "figure"), message)
        for place, tables in wanted:
            for table in tables:
                if table not in known:
                    hint = nearest(table, known)
                    message = f"{table!r} is no measurement or task of this study; {hint}"
                    yield fault_at(origins[study], place, message)


def unknown_scales(
    rooms: dict[str, dict[str, Any]], scales: Mapping[str, Any], origins: dict[str, Origin]
) -> Iterator[Fault]:
    """Return a fault for every claim that is decided at a scale that does not exist."""
    for study, settings in rooms["studies"].items():
        for key in ("claims", "controls"):
            for name, claim in getattr(settings, key).items():
                default = type(claim).model_fields["scales"].default
                for scale in claim.scales:
                    if scale not in scales and claim.scales != default:
                        message = f"{scale!r} is not a scale; {nearest(scale, scales)}"
                        yield fault_at(origins[study], (key, name, "scales"), message)


def unknown_names(
    run: RunFile,
    rooms: dict[str, dict[str, Any]],
    raw: dict[str, dict[str, Any]],
    root: Path,
    source: str,
    origins: dict[str, Origin],
) -> Iterator[Fault]:
    """Return a fault for every name in a list that is no file, or stands there twice."""
    lists: list[tuple[Origin, Place, str, Any]] = [
        (lambda _: (source, ()), ("studies",), "studies", run.studies)
    ]
    for name, study in rooms["studies"].items():
        lists += [
            (origins[name], (room,), room, getattr(study, room))
            for room in ("tasks", "models", "solvers")
        ]
        lists += [
            (origins[name], ("variants", each, "tasks"), "tasks", variant.tasks)
            for each, variant in study.variants.items()
        ]
    for origin, place, room, names in lists:
        for position, name in enumerate(() if names == "all" else names):
            if name in names[:position]:
                yield fault_at(origin, place, f"{name!r} is listed twice; remove one")
            elif name not in raw[room]:
                message = f"{name!r} is no file in {root / room}; {nearest(name, raw[room])}"
                yield fault_at(origin, place, message)


def unexaminable(config: Config, origins: dict[str, Origin]) -> Iterator[Fault]:
    """Return a fault for every examination of a task or method that its study does not have."""
    for study, settings in config.studies.items():
        tasks = chosen(settings.tasks, config.tasks)
        for name, measurement in settings.measurements.items():
            if not isinstance(measurement, Examination):
                continue
            place: Place = ("measurements", name)
            if measurement.of not in tasks:
                message = f"{measurement.of!r} is no task of this study; "
                yield fault_at(
                    origins[study], (*place, "of"), message + nearest(measurement.of, tasks)
                )
                continue
            methods, reasons = config.methods(study, measurement.of)
            for each in measurement.methods:
                if each not in methods:
                    message = f"{each!r} is no method of this study on {measurement.of}; "
                    message += nearest(each, methods)
                    yield fault_at(origins[study], (*place, "methods"), message)
                elif each in reasons:
                    message = f"{each!r} cannot work on {measurement.of}: {reasons[each]}"
                    yield fault_at(origins[study], (*place, "methods"), message)

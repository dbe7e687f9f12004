"""Reading the run: YAML files, the scale laid over them, and every fault at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from iclbench.config.faults import ConfigError, Fault, Place, explain, nearest
from iclbench.config.files import (
    ModelFile,
    RunFile,
    ScaleFile,
    SolverFile,
    StudyFile,
    TaskFile,
)

M = TypeVar("M", bound=BaseModel)

LARGEST_FILE = 1_000_000
"""Bytes; a settings file beyond this is refused unread."""

OVERLAID: dict[str, type[BaseModel]] = {
    "tasks": TaskFile,
    "models": ModelFile,
    "solvers": SolverFile,
    "studies": StudyFile,
}


@dataclass(frozen=True)
class Config:
    """Everything that a run is determined by, validated."""

    run: RunFile
    scale: ScaleFile
    tasks: dict[str, TaskFile]
    models: dict[str, ModelFile]
    solvers: dict[str, SolverFile]
    studies: dict[str, StudyFile]


class _Loader(yaml.SafeLoader):
    """YAML without the constructs that settings have no use for: aliases and repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(
                problem="aliases are not allowed; write the value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key is a list or a mapping; expected a word",
                    problem_mark=key.start_mark,
                )
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} is given twice; remove one",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: If the file cannot be read, is no YAML, or holds no mapping.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(
                [Fault(str(path), "", f"larger than {LARGEST_FILE:,} bytes; is it settings?")]
            )
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Fault(str(path), "", f"cannot be read: {error}")]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError([Fault(str(path), "", f"{where}not valid YAML: {problem}")]) from error
    except RecursionError as error:
        raise ConfigError(
            [Fault(str(path), "", "nested too deeply; settings have few levels")]
        ) from error
    if not isinstance(value, dict):
        found = "nothing" if value is None else f"a {type(value).__name__}"
        raise ConfigError([Fault(str(path), "", f"expected keys and values, found {found}")])
    return value


def read_config(run: Mapping[str, Any], root: Path, source: str = "config.yaml") -> Config:
    """Return the validated settings of a run.

    Args:
        run: The content of config.yaml, command-line changes included.
        root: The folder that holds tasks/, models/, solvers/, studies/ and scales/.
        source: What to call the origin of ``run`` in messages.

    Raises:
        ConfigError: If anything is wrong; it lists every fault of every file.
    """
    faults: list[Fault] = []
    settings = _validated(RunFile, dict(run), lambda _: (source, ()), faults)
    raw = {room: dict(_read_folder(root / room, faults)) for room in [*OVERLAID, "scales"]}
    if settings is None:
        raise ConfigError(faults)
    if settings.scale not in raw["scales"]:
        message = f"{settings.scale!r} is not a scale; {nearest(settings.scale, raw['scales'])}"
        raise ConfigError([*faults, Fault(source, "scale", message)])

    scale_file = str(root / "scales" / f"{settings.scale}.yaml")
    scale = _validated(ScaleFile, raw["scales"][settings.scale], lambda _: (scale_file, ()), faults)
    rooms: dict[str, dict[str, Any]] = {room: {} for room in OVERLAID}
    for room, model in OVERLAID.items():
        overlay = getattr(scale, room) if scale else {}
        for name in overlay.keys() - raw[room].keys() - {"*"}:
            message = f"no such file in {root / room}; {nearest(name, raw[room])}"
            faults.append(Fault(scale_file, f"{room}.{name}", message))
        for name, base in raw[room].items():
            layers = [
                (str(root / room / f"{name}.yaml"), (), base),
                (scale_file, (room, "*"), overlay.get("*", {})),
                (scale_file, (room, name), overlay.get(name, {})),
            ]
            origin = _origin(layers)
            value = _validated(model, _merged(*(layer for *_, layer in layers)), origin, faults)
            if value is not None:
                rooms[room][name] = value
    faults.extend(_unknown_names(settings, rooms, raw, root, source))
    faults.extend(_clashes(rooms, root))
    if faults or scale is None:
        raise ConfigError(faults)
    return Config(run=settings, scale=scale, **rooms)


def chosen(names: Any, known: Mapping[str, Any]) -> list[str]:
    """Return the names that ``all`` or a list of names stands for, in order of the alphabet."""
    return sorted(known) if names == "all" else sorted(names)


def _read_folder(folder: Path, faults: list[Fault]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.y*ml")):
        if path.suffix != ".yaml" or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", path.stem):
            message = "rename it: a small letter, then small letters, digits and _, then .yaml"
            faults.append(Fault(str(path), "", message))
            continue
        try:
            yield path.stem, read_yaml(path)
        except ConfigError as error:
            faults.extend(error.faults)


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return mappings laid over one another; where the kind changes, the later one replaces."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            if isinstance(value, dict) and isinstance(below, dict):
                same_kind = value.get("kind", below.get("kind")) == below.get("kind")
                result[key] = _merged(below, value) if same_kind else value
            else:
                result[key] = value
    return result


def _origin(layers: Sequence[tuple[str, Place, Mapping[str, Any]]]) -> Any:
    """Return the function from a key path to the file, and the place in it, that set it."""

    def origin(place: Place) -> tuple[str, Place]:
        for file, prefix, layer in reversed(layers if place else layers[:1]):
            value: Any = layer
            try:
                for step in place:
                    value = value[step]
            except (LookupError, TypeError):
                continue
            return file, prefix
        return layers[0][0], ()

    return origin


def _validated(model: type[M], value: Any, origin: Any, faults: list[Fault]) -> M | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for place, message in explain(error, model):
            file, prefix = origin(place)
            faults.append(Fault(file, ".".join(map(str, (*prefix, *place))), message))
        return None


def _clashes(rooms: dict[str, dict[str, Any]], root: Path) -> Iterator[Fault]:
    """Return a fault for every name that two things would share in the results."""
    taken: dict[str, str] = {"oracle": "a reference", "bayes": "a reference"}
    for room in ("models", "solvers"):
        for name in rooms[room]:
            file = str(root / room / f"{name}.yaml")
            if name in taken:
                yield Fault(file, "", f"{name!r} is {taken[name]} already; rename the file")
            taken[name] = file
    if "training" in rooms["studies"]:
        file = str(root / "studies" / "training.yaml")
        yield Fault(file, "", "'training' is what training curves are filed under; rename the file")
    drawn: dict[str, str] = {}
    for study, settings in rooms["studies"].items():
        file = str(root / "studies" / f"{study}.yaml")
        tasks = chosen(settings.tasks, rooms["tasks"])
        for name, figure in settings.figures.items():
            for full in [f"{name}_{task}" for task in tasks] if figure.is_per_task else [name]:
                if full in drawn:
                    message = f"{drawn[full]} draws a figure {full!r} already; rename one"
                    yield Fault(file, f"figures.{name}", message)
                drawn[full] = file


def _unknown_names(
    run: RunFile,
    rooms: dict[str, dict[str, Any]],
    raw: dict[str, dict[str, Any]],
    root: Path,
    source: str,
) -> Iterator[Fault]:
    lists = [(source, "studies", "studies", run.studies)]
    for name, study in rooms["studies"].items():
        file = str(root / "studies" / f"{name}.yaml")
        lists += [
            (file, room, room, getattr(study, room)) for room in ("tasks", "models", "solvers")
        ]
    for file, key, room, names in lists:
        for position, name in enumerate(() if names == "all" else names):
            if name in names[:position]:
                yield Fault(file, key, f"{name!r} is listed twice; remove one")
            elif name not in raw[room]:
                message = f"{name!r} is no file in {root / room}; {nearest(name, raw[room])}"
                yield Fault(file, key, message)

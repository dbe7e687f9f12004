"""Reading the run: YAML files, the scale laid over them, and every fault at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from iclbench.config.checks import (
    clashes,
    unexaminable,
    unknown_names,
    unknown_scales,
    unknown_tables,
)
from iclbench.config.faults import (
    ConfigError,
    Fault,
    Origin,
    Place,
    explain,
    fault_at,
    nearest,
    truths,
)
from iclbench.config.files import ModelFile, RunFile, ScaleFile, SolverFile, StudyFile, TaskFile
from iclbench.config.layers import Layer, Layers
from iclbench.config.memory import too_large
from iclbench.config.run import Config

M = TypeVar("M", bound=BaseModel)

LARGEST_FILE = 1_000_000
"""Bytes; a settings file beyond this is refused unread."""

LISTED = 50
"""How many faults of one thing are listed at most."""

LEFT_OUT_BY_NULL = ("variants", "measurements", "figures")
"""What of a study a scale leaves out where it says null."""

OVERLAID: dict[str, type[BaseModel]] = {
    "tasks": TaskFile,
    "models": ModelFile,
    "solvers": SolverFile,
    "studies": StudyFile,
}


DEEPEST = 50
"""How many levels settings may have."""


class _Loader(yaml.CSafeLoader):  # libyaml's, which is ten times faster
    """YAML without constructs that settings have no use for: repeated keys, and keys that merge."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key is a list or a mapping; expected a word",
                    problem_mark=key.start_mark,
                )
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(
                    problem="merge keys (<<) are not allowed; write the settings out",
                    problem_mark=key.start_mark,
                )
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} is given twice; remove one",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _check_events(text: str) -> None:
    """Refuse aliases, and more levels than settings have, before anything is made of them."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        problem = None
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases are not allowed; write the value out"
        elif depth > DEEPEST:
            problem = "nested too deeply; settings have few levels"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


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
        text = path.read_text(encoding="utf-8")
        _check_events(text)
        value = yaml.load(text, Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Fault(str(path), "", f"cannot be read: {error}")]) from error
    except (yaml.YAMLError, ValueError) as error:  # the latter of dates and numbers that are none
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError([Fault(str(path), "", f"{where}not valid YAML: {problem}")]) from error
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
    origins: dict[str, Origin] = {}
    layered: dict[str, dict[str, Layers]] = {room: {} for room in [*OVERLAID, "variants"]}
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
            origin = layered[room][name] = Layers(tuple(layers))
            merged = origin.merged()
            if room == "studies":
                origins[name] = origin
                faults.extend(_leave_out(merged, base, origin))
            value = _validated(model, merged, origin, faults)
            if value is not None:
                rooms[room][name] = value
    files = _Files(root, raw, scale_file, scale)
    variants = {
        name: _variants(name, study, origins[name], files, layered["variants"], faults)
        for name, study in rooms["studies"].items()
    }
    faults.extend(unknown_names(settings, rooms, raw, root, source, origins))
    faults.extend(unknown_tables(rooms, settings.scale, origins))
    faults.extend(unknown_scales(rooms, raw["scales"], origins))
    faults.extend(clashes(rooms, root))
    if faults or scale is None:
        raise ConfigError(faults)
    config = Config(run=settings, scale=scale, **rooms, variants=variants, layers=layered)
    faults.extend(unexaminable(config, origins))
    faults.extend(too_large(config))
    if faults:
        raise ConfigError(faults)
    return config


def _leave_out(study: dict[str, Any], base: Mapping[str, Any], origin: Origin) -> list[Fault]:
    """Take out of a study what its scale says null for, and figures that draw nothing else.

    Returns:
        A fault for every such name that the study's file does not have.
    """
    faults = []
    gone: dict[str, set[str]] = {}
    for key in LEFT_OUT_BY_NULL:
        own, laid = base.get(key), study.get(key)
        if not isinstance(own, dict) or not isinstance(laid, dict):
            continue
        gone[key] = {name for name, value in laid.items() if value is None} - {
            name for name, value in own.items() if value is None
        }
        for name in sorted(gone[key] - own.keys()):
            message = f"there is no {name!r} to leave out; {nearest(name, own)}"
            faults.append(fault_at(origin, (key, name), message))
        study[key] = {name: value for name, value in laid.items() if name not in gone[key]}
    measurements = gone.get("measurements", set())
    for name, figure in list(study["figures"].items()) if "figures" in gone else []:
        tables = figure.get("from") if isinstance(figure, dict) else None
        if not isinstance(tables, list) or not measurements.intersection(map(str, tables)):
            continue
        left = [table for table in tables if table not in measurements]
        if left:
            study["figures"][name] = {**figure, "from": left}
        else:
            del study["figures"][name]
    return faults


@dataclass(frozen=True)
class _Files:
    """What the files of the rooms and of the scale say."""

    root: Path
    raw: dict[str, dict[str, Any]]
    scale_file: str
    scale: ScaleFile | None


def _variants(
    study_name: str,
    study: StudyFile,
    origin: Origin,
    files: _Files,
    layered: dict[str, Layers],
    faults: list[Fault],
) -> dict[str, ModelFile | SolverFile]:
    """Return a study's own methods: files of models and solvers, otherwise set."""
    found: dict[str, ModelFile | SolverFile] = {}
    raw, scale, scale_file = files.raw, files.scale, files.scale_file
    studies = scale.studies if scale else {}
    for name, variant in study.variants.items():
        said = variant.model_dump(include={"model", "solver", "training"}, exclude_defaults=True)
        if variant.of is None:
            room = "solvers" if variant.solver else "models"
        else:
            room = next((room for room in ("models", "solvers") if variant.of in raw[room]), None)
        if room is None:
            hint = nearest(variant.of, [*raw["models"], *raw["solvers"]])
            message = f"{variant.of!r} is no model or solver; {hint}"
            faults.append(fault_at(origin, ("variants", name, "of"), message))
            continue
        own = str(files.root / "studies" / f"{study_name}.yaml")
        place = ("variants", name)
        overlay = getattr(scale, room) if scale else {}
        layers: list[Layer] = [
            (str(files.root / room / f"{variant.of}.yaml"), (), raw[room][variant.of])
            if variant.of
            else (own, place, {"summary": f"{name}, of one study alone"}),
            (own, place, {key: said.pop(key) for key in ("training",) if key in said}),
            (scale_file, (room, "*"), overlay.get("*", {})),
            (scale_file, (room, variant.of or ""), overlay.get(variant.of or "", {})),
            (own, place, said),
        ]
        for key in ("*", study_name):
            last = studies.get(key, {}).get("variants", {}).get(name, {})
            last = {part: last[part] for part in ("model", "solver", "training") if part in last}
            layers.append((scale_file, ("studies", key, *place), last))
        full = layered[f"{study_name}/{name}"] = Layers(tuple(layers))
        merged = full.merged()
        value = _validated(OVERLAID[room], merged, _origin_below(origin, "variants", name), faults)
        if isinstance(value, ModelFile | SolverFile):
            found[name] = value
    return found


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


def _origin_below(origin: Origin, *above: str | int) -> Origin:
    """Return where settings come from that stand below a place of others."""

    def below(place: Place) -> tuple[str, Place]:
        file, prefix = origin((*above, *place))
        return file, (*prefix, *above)

    return below


def _validated(model: type[M], value: Any, origin: Any, faults: list[Fault]) -> M | None:
    try:
        read = model.model_validate(value)
        found = list(truths(value, read))
    except ValidationError as error:
        read, found = None, explain(error, model)
    if len(found) > LISTED:
        found = [*found[:LISTED], ((), f"and {len(found) - LISTED} more faults; is it settings?")]
    faults += [fault_at(origin, place, message) for place, message in found]
    return None if found else read

"""The validated settings of one thing, and which file said each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from iclbench.commands.run import SETTINGS, read_run
from iclbench.config.faults import Place, meant
from iclbench.config.layers import Layer, Layers
from iclbench.config.reading import read_yaml
from iclbench.config.run import Config
from iclbench.files import JobError
from iclbench.settings import Settings

DEFAULT = "default"


def show_settings(name: str, scale: str | None = None) -> None:
    """Print the settings of a task, model, solver, study, variant or claim, as YAML.

    Every line ends with a comment: the file that says it, or that it is a default.

    Args:
        name: Its name; of a claim ``STUDY/NAME``, and of the run itself ``run``.
        scale: The scale; by default the run's.

    Raises:
        JobError: If nothing has this name.
    """
    config = read_run(scale)
    settings, layers, place = _found(config, name, scale)
    content = settings.model_dump(mode="json", by_alias=True)
    lines = list(_lines(content, layers, place, 0))
    width = min(max(len(text) for text, _ in lines), 60)
    sys.stdout.write("".join(f"{text:<{width}}  # {origin}\n" for text, origin in lines))


def _found(config: Config, name: str, scale: str | None) -> tuple[Settings, Layers, Place]:
    if name == "run":
        layers: list[Layer] = [(str(SETTINGS), (), read_yaml(SETTINGS))]
        layers += [] if scale is None else [("command line", (), {"scale": scale})]
        return config.run, Layers(tuple(layers)), ()
    rooms = {room: getattr(config, room) for room in ("tasks", "models", "solvers", "studies")}
    for room, files in rooms.items():
        if name in files:
            return files[name], config.layers[room][name], ()
    for study, variants in config.variants.items():
        if name in variants:
            return variants[name], config.layers["variants"][f"{study}/{name}"], ()
    claims: dict[str, tuple[Settings, Layers, Place]] = {}
    for each, settings in config.studies.items():
        for key in ("claims", "controls"):
            for claim, content in getattr(settings, key).items():
                origins = config.layers["studies"][each]
                claims[f"{each}/{claim}"] = content, origins, (key, claim)
    if name in claims:
        return claims[name]
    known = [*(each for files in rooms.values() for each in files), "run", *claims]
    known += [each for variants in config.variants.values() for each in variants]
    hint = meant(name, known) or "nothing has a name like it"
    raise JobError(
        f"{name!r} is no task, model, solver, study, variant or claim; {hint}; "
        "`python -m iclbench tasks`, models, methods, studies and claims list them"
    )


def _lines(value: Any, layers: Layers, place: Place, depth: int) -> Iterator[tuple[str, str]]:
    indent = "  " * depth
    for key, part in value.items():
        here = (*place, key)
        if isinstance(part, dict) and part:
            yield f"{indent}{key}:", _origin(layers, here)
            yield from _lines(part, layers, here, depth + 1)
        else:
            yield f"{indent}{key}: {json.dumps(part, ensure_ascii=False)}", _origin(layers, here)


def _origin(layers: Layers, place: Place) -> str:
    said = layers.saying(place)
    if said is None:
        return DEFAULT
    file, prefix = said
    return f"{file}: {'.'.join(map(str, prefix))}" if prefix else file

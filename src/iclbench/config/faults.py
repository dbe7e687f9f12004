"""What is wrong with a settings file, said so that its author can mend it."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

Place = tuple[str | int, ...]

Origin = Callable[[Place], tuple[str, Place]]
"""From a key path to the file that set it, and the place of these settings in that file."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong: where it stands, and what would be right."""

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.key}: {self.message}"
            if self.key
            else f"{self.file}: {self.message}"
        )


class ConfigError(Exception):
    """The settings cannot be used; every fault found is listed."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        count = len(self.faults)
        heading = "the settings have a fault" if count == 1 else f"the settings have {count} faults"
        super().__init__("\n  ".join([f"{heading}:", *map(str, self.faults)]))


LONGEST = 100
"""How many characters of a value a message shows."""


def shown(value: object) -> str:
    """Return a value as messages show it.

    Examples:
        >>> shown("twenty"), len(shown("x" * 1000))
        ("'twenty'", 101)
    """
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out numbers of thousands of digits
        return "a number too long to show"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def meant(name: object, names: Iterable[str]) -> str | None:
    """Return the question "did you mean …?", None where nothing is near."""
    close = difflib.get_close_matches(str(name), sorted(names), n=1)
    return f"did you mean {close[0]!r}?" if close else None


def nearest(name: object, names: Iterable[str]) -> str:
    """Return the question "did you mean …?" or, where nothing is near, the list of names."""
    known = sorted(names)
    return meant(name, known) or f"expected one of: {', '.join(known)}"


def explain(error: ValidationError, model: type[BaseModel]) -> list[tuple[Place, str]]:
    """Return each fault of a validation as its key path and a sentence.

    The members of a union that all refuse a value count as one fault.
    """
    found: dict[Place, list[str]] = {}
    for detail in error.errors(include_url=False):
        place, sentence = _explain(detail, *_locate(model, detail["loc"]))
        found.setdefault(place, []).append(sentence)
    return [(place, "; or ".join(dict.fromkeys(said))) for place, said in found.items()]


def _explain(detail: Any, place: Place, owner: type[BaseModel] | None) -> tuple[Place, str]:
    value = detail["input"]
    field = owner.model_fields.get(str(place[-1])) if owner and place else None
    meaning = f": {field.description}" if field and field.description else ""
    match detail["type"]:
        case "extra_forbidden":
            return place, f"unknown key; {nearest(place[-1], owner.model_fields if owner else ())}"
        case "missing":
            return place, f"missing{meaning}"
        case "union_tag_invalid":
            kind = detail["ctx"]["tag"]
            tags = detail["ctx"]["expected_tags"].replace("'", "").split(", ")
            hint = nearest(kind, tags)
            return (*place, "kind"), f"{shown(kind)} is not a kind of {place[-1]}; {hint}"
        case "union_tag_not_found":
            return (*place, "kind"), "missing; expected the name of a kind"
        case "literal_error":
            quoted = re.findall(r"""'([^']*)'|"([^"]*)\"""", detail["ctx"]["expected"])
            allowed = [one or other for one, other in quoted]
            return place, f"{shown(value)} is not one of its values; {nearest(value, allowed)}"
        case "value_error":
            return place, detail["msg"].removeprefix("Value error, ")
        case _:
            wish = detail["msg"].removeprefix("Input should be ")
            return place, f"{shown(value)} is refused, expected {wish}{meaning}"


def truths(said: Any, read: Any) -> Iterator[tuple[Place, str]]:
    """Yield each true or false in settings that was read as something else, a number that is.

    Args:
        said: The settings as they stand in files.
        read: What they were validated to.
    """
    if isinstance(said, bool) and not isinstance(read, bool):
        yield (), f"{str(said).lower()} is refused, expected a number; write {int(said)}"
    elif isinstance(said, Mapping):
        for key, value in said.items():
            below = _named(read, key)
            yield from (((key, *place), message) for place, message in truths(value, below))
    elif isinstance(said, list) and isinstance(read, list | tuple):
        for number, pair in enumerate(zip(said, read, strict=True)):
            yield from (((number, *place), message) for place, message in truths(*pair))


def _named(read: Any, key: str) -> Any:
    """Return what stands under a key of a file in what was read."""
    if not isinstance(read, BaseModel):
        return read[key]
    fields = type(read).model_fields
    name = next((name for name, field in fields.items() if (field.alias or name) == key), key)
    return getattr(read, name)


def _locate(model: type[BaseModel], location: Place) -> tuple[Place, type[BaseModel] | None]:
    """Return a key path without the union tags that pydantic puts in it, and who owns its end."""
    place: list[str | int] = []
    owner: type[BaseModel] | None = None
    candidates = [model]
    is_mapping = False
    for step in location:
        if isinstance(step, int) or is_mapping:
            place.append(step)
            is_mapping = is_mapping and not candidates
        elif tagged := [choice for choice in candidates if _kind(choice) == step]:
            candidates = tagged
        elif candidates:
            place.append(step)
            owner = next((choice for choice in candidates if step in choice.model_fields), None)
            owner = owner or candidates[0]
            field = owner.model_fields.get(step)
            candidates = list(_models(field.annotation)) if field else []
            is_mapping = field is not None and typing.get_origin(field.annotation) is dict
    return tuple(place), owner


def _kind(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    values = typing.get_args(field.annotation) if field else ()
    return values[0] if len(values) == 1 else None


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for part in typing.get_args(annotation):
            yield from _models(part)


def fault_at(origin: Origin, place: Place, message: str) -> Fault:
    """Return a fault at a key path, in the file that set it."""
    file, prefix = origin(place)
    return Fault(file, ".".join(map(str, (*prefix, *place))), message)

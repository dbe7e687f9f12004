"""The reference of settings: the YAML keys of every file and kind, from their typed settings."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from docutils import nodes
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tables import Cell, anchor, joined, link, paragraph, python_link, section, table, words

from iclbench.config.schema import FILES
from iclbench.registry import KINDS, find, locations
from iclbench.settings import Settings

BASIC = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    Path: "path",
    type(None): "null",
    Any: "anything",
}
BOUNDS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}
LENGTHS = {"min_length": "at least {} long", "max_length": "at most {} long"}


@cache
def kinds() -> dict[type, tuple[str, str]]:
    """Return room and name of every kind's class."""
    return {
        find(room, kind): (room, kind)
        for room in KINDS
        if room != "figures"
        for kind in locations(room)
    }


@cache
def shared() -> frozenset[type]:
    """Return the parts of settings files, such as training: their own page explains them."""
    return frozenset(part for file in FILES.values() for part in [file, *parts(file)])


def parts(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the settings within a model's settings that are no kinds, outermost first."""
    found: dict[type[BaseModel], None] = {}
    waiting = [model]
    while waiting:
        for field in waiting.pop(0).model_fields.values():
            for part in _models(field.annotation):
                if part not in kinds() and part not in found and part is not model:
                    found[part] = None
                    waiting.append(part)
    return list(found)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


class Of(SphinxDirective):
    """What both directives have in common: the section of one class of settings."""

    required_arguments = 1

    def describe(self, model: type[BaseModel], name: str, title: Cell) -> nodes.section:
        """Return what a class of settings says, and the parts that only it has."""
        found = section(self, name, title)
        about = model.model_fields.get("kind")
        summary = about.description if about and about.description else first(model)
        summary = summary if summary.startswith("config") else summary[:1].upper() + summary[1:]
        found += paragraph(f"{summary.rstrip('.')}.")
        if model in kinds():
            found += paragraph([python_link(self, f"{model.__module__}.{model.__qualname__}")])
        rows = [
            self._row(field.alias or key, field)
            for key, field in model.model_fields.items()
            if key != "kind"
        ]
        if rows:
            found += table(("key", "type", "default", "meaning"), rows, "settings")
        return found

    def _row(self, key: str, field: FieldInfo) -> list[Cell]:
        bounds = list(limits(field.metadata))
        what = joined([self.type_of(field.annotation), *bounds], "; " if bounds else ", ")
        return [[nodes.literal(text=key)], what, default_of(field), field.description or ""]

    def type_of(self, annotation: Any) -> list[nodes.Node]:
        """Return a type in words, settings as links."""
        origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
        if annotation in BASIC:
            return [nodes.Text(BASIC[annotation])]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return [self._link(annotation)]
        if origin is typing.Annotated:
            bounds = list(limits(inner[1:]))
            of = self.type_of(inner[0])
            return of + words(f" ({', '.join(bounds)})") if bounds else of
        if origin is Literal:
            return joined([[nodes.literal(text=json.dumps(each))] for each in inner], " or ")
        if origin in (typing.Union, types.UnionType):
            return self._any_of(inner)
        if origin is tuple and Ellipsis not in inner:
            said = {nodes.inline("", "", *each).astext(): each for each in map(self.type_of, inner)}
            return [nodes.Text(f"list of {len(inner)}, each "), *joined(said.values(), " or ")]
        if origin in (list, tuple, set, frozenset):
            return [nodes.Text("list, each "), *self.type_of(inner[0])]
        if origin in (dict, Mapping):
            return [nodes.Text("mapping by name, each "), *self.type_of(inner[1])]
        raise TypeError(f"{annotation!r}: say in docs/extensions/settings_pages.py what it is")

    def _any_of(self, choices: tuple[Any, ...]) -> list[nodes.Node]:
        models = [choice for choice in choices if choice in kinds()]
        found: list[Cell] = []
        for room in dict.fromkeys(kinds()[model][0] for model in models):
            of_room = {model for model in models if kinds()[model][0] == room}
            if len(of_room) == len(locations(room)):
                found.append([link(self, f"room {room}", f"a kind of {room}")])
                choices = tuple(choice for choice in choices if choice not in of_room)
        return joined([*found, *map(self.type_of, choices)], " or ")

    def _link(self, model: type[BaseModel]) -> nodes.Node:
        if model in kinds():
            room, kind = kinds()[model]
            return link(self, f"{room} {kind}", [nodes.literal(text=kind)])
        return link(self, name_of(model), [nodes.literal(text=title_of(model))])


class Kinds(Of):
    """``{kinds} ROOM``: a section for every kind of a room, and for the parts that it has."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        room = self.arguments[0]
        if room == "figures":
            rows = [
                [[nodes.literal(text=kind)], first(find(room, kind))] for kind in locations(room)
            ]
            return [table(("kind", "what it draws"), rows, "settings")]
        found: list[nodes.Node] = [anchor(self, f"room {room}")]
        seen: set[type] = set()
        for kind in locations(room):
            model = find(room, kind)
            found.append(self.describe(model, f"{room} {kind}", [nodes.literal(text=kind)]))
            for part in parts(model):
                if part not in shared() | seen:
                    seen.add(part)
                    found.append(self.describe(part, name_of(part), title_of(part)))
        return found


class Files(Of):
    """``{settings} MODULE:CLASS``: what a file may say, and the parts that come first here."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        module, _, name = self.arguments[0].partition(":")
        model = getattr(import_module(module), name)
        seen: set[type] = self.env.temp_data.setdefault("settings described", set())
        found = []
        for part in [model, *parts(model)]:
            if part not in seen:
                seen.add(part)
                found.append(self.describe(part, name_of(part), title_of(part)))
        return found


def name_of(model: type) -> str:
    """Return what the section of a part is called; kinds of statistics share class names."""
    return f"settings {model.__module__}.{model.__qualname__}".lower()


def title_of(model: type[BaseModel]) -> str:
    """Return a part's name: that of its kind, of its file, or of what it is."""
    kind = model.model_fields.get("kind")
    if kind is not None and typing.get_origin(kind.annotation) is Literal:
        return typing.get_args(kind.annotation)[0]
    return model.__name__.removesuffix("File").lower()


def first(thing: Any) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def limits(metadata: Iterable[Any]) -> Iterator[str]:
    """Yield what bounds a value, in words."""
    for each in metadata:
        if isinstance(each, FieldInfo):
            yield from limits(each.metadata)
            continue
        for name, said in {**BOUNDS, **LENGTHS}.items():
            value = getattr(each, name, None)
            if value is not None:
                yield said.format(f"{value:g}" if value < 1e4 or value >= 1e9 else f"{value:_}")
        pattern = getattr(each, "pattern", None)
        if pattern:
            yield f"matching ``{pattern}``"


def default_of(field: FieldInfo) -> Cell:
    """Return a default as YAML would have it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Settings):
        value = value.model_dump(mode="json", exclude_unset=True)
    return [nodes.literal(text=json.dumps(value, default=_plain, ensure_ascii=False))]


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.model_dump(mode="json", exclude_unset=True)
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("kinds", Kinds)
    app.add_directive("settings", Files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Settings laid over one another: what they come to, and which file said what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iclbench.config.faults import Place

Layer = tuple[str, Place, Mapping[str, Any]]
"""A file, the place in it where settings begin, and the settings."""


@dataclass(frozen=True)
class Layers:
    """The layers of one thing's settings, the file of that thing first; called, it is an origin."""

    layers: tuple[Layer, ...]

    def merged(self) -> dict[str, Any]:
        """Return the settings, each from the last layer that says it."""
        return merged(*(layer for *_, layer in self.layers))

    def saying(self, place: Place) -> tuple[str, Place] | None:
        """Return the file that said what is at a key path, and where in it; None: no file did."""
        for file, prefix, layer in reversed(self.layers):
            value: Any = layer
            try:
                for step in place:
                    value = value[step]
            except (LookupError, TypeError):
                continue
            return file, prefix
        return None

    def __call__(self, place: Place) -> tuple[str, Place]:
        """Return the file that is to be mended where what is at a key path is wrong."""
        said = self.saying(place) if place else None
        return said or (self.layers[0][0], ())


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return mappings laid over one another; where the kind changes, the later one replaces.

    Examples:
        >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
        {'a': {'b': 1, 'c': 3}}
        >>> merged({"a": {"kind": "one", "b": 1}}, {"a": {"kind": "other"}})
        {'a': {'kind': 'other'}}
    """
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            if isinstance(value, dict) and isinstance(below, dict):
                same_kind = value.get("kind", below.get("kind")) == below.get("kind")
                result[key] = merged(below, value) if same_kind else value
            else:
                result[key] = value
    return result

"""Settings laid over one another: what they come to, and which file said what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iclbench.config.faults import Place

Layer = tuple[str, Place, Mapping[str, Any]]
"""A file, the place in it where settings begin, and the settings."""


MISSING = object()


@dataclass(frozen=True)
class Layers:
    """The layers of one thing's settings, the file of that thing first; called, it is an origin."""

    layers: tuple[Layer, ...]

    def merged(self) -> dict[str, Any]:
        """Return the settings, each from the last layer that says it."""
        return merged(*(layer for *_, layer in self.layers))

    def saying(self, place: Place) -> tuple[str, Place] | None:
        """Return the file that said what is at a key path, and where in it; None: no file did.

        Where a layer gives another kind, what those below it say of the former one does not count.
        """
        for number in reversed(range(len(self.layers))):
            file, prefix, layer = self.layers[number]
            if _at(layer, place) is not MISSING:
                return file, prefix
            below = merged(*(part for *_, part in self.layers[:number]))
            if any(
                _replaces(_at(layer, place[:n]), _at(below, place[:n])) for n in range(len(place))
            ):
                return None
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
                result[key] = value if _replaces(value, below) else merged(below, value)
            else:
                result[key] = value
    return result


def _replaces(value: Any, below: Any) -> bool:
    """Return whether a mapping is of another kind than the one below it."""
    if not isinstance(value, Mapping) or not isinstance(below, Mapping):
        return False
    return value.get("kind", below.get("kind")) != below.get("kind")


def _at(value: Any, place: Place) -> Any:
    """Return what is at a key path, or ``MISSING``."""
    for step in place:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return MISSING
    return value

"""Where each kind of thing is found: one table a room, from the name used in YAML to its class.

A kind is one class in one file. Ours are listed here; a user's own package adds its kinds through
entry points of the groups ``iclbench.dynamics``, ``iclbench.regression``, ``iclbench.attention``,
``iclbench.models`` and ``iclbench.solvers``, without touching this file.
"""

from __future__ import annotations

from functools import cache, reduce
from importlib import import_module
from importlib.metadata import entry_points
from operator import or_
from typing import Annotated, Any

from pydantic import Field

KINDS: dict[str, dict[str, str]] = {
    "dynamics": {},
    "regression": {},
    "attention": {},
    "models": {},
    "solvers": {},
}


@cache
def locations(room: str) -> dict[str, str]:
    """Return where each kind of a room lives, as ``module:Class``, ours and those of entry points.

    Raises:
        ValueError: If an entry point uses the name of one of our kinds.
    """
    found = dict(KINDS[room])
    for entry in entry_points(group=f"iclbench.{room}"):
        if entry.name in found:
            raise ValueError(
                f"entry point {entry.value!r}: the kind {entry.name!r} of {room} exists already "
                f"({found[entry.name]}); give yours another name"
            )
        found[entry.name] = entry.value
    return found


def find(room: str, kind: str) -> type:
    """Return the class of a kind.

    Raises:
        KeyError: If the room has no such kind.
    """
    module, _, name = locations(room)[kind].partition(":")
    return getattr(import_module(module), name)


def any_of(room: str) -> Any:
    """Return the type "settings of one of the kinds of this room", told apart by ``kind``."""
    classes = [find(room, kind) for kind in locations(room)]
    return Annotated[reduce(or_, classes), Field(discriminator="kind")]

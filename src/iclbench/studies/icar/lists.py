"""Lists in settings of which each entry makes rows of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

Entry = TypeVar("Entry", int, float)


def ascending(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries, which must ascend: one listed twice would make its rows twice.

    Raises:
        ValueError: If one is not larger than the one before.
    """
    for earlier, later in pairwise(entries):
        if later <= earlier:
            raise ValueError(f"{later} follows {earlier}; sort the entries and list each once")
    return entries


Ascending = Annotated[tuple[Entry, ...], Field(min_length=1), AfterValidator(ascending)]

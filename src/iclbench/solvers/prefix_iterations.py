"""Which iterations a solver reports."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field


def ascending(iterations: tuple[int, ...]) -> tuple[int, ...]:
    """Return the iterations, which must increase strictly.

    Raises:
        ValueError: If they do not.
    """
    for earlier, later in pairwise(iterations):
        if later <= earlier:
            raise ValueError(
                f"iterations increase strictly, but {later} follows {earlier}; sort them and "
                "list each once"
            )
    return iterations


Iterations = Annotated[
    tuple[Annotated[int, Field(ge=0, le=1_000_000)], ...],
    Field(min_length=1, max_length=4096),
    AfterValidator(ascending),
]
"""Iteration numbers, strictly ascending; 0 is the start."""

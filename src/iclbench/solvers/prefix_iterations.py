"""Which iterations a solver reports."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from iclbench.method import ascending

Iterations = Annotated[
    tuple[Annotated[int, Field(ge=0, le=1_000_000)], ...],
    Field(min_length=1, max_length=4096),
    AfterValidator(ascending),
]
"""Iteration numbers, strictly ascending; 0 is the start."""

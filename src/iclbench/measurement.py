"""A measurement: what a paper measures beyond the errors of methods on tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from iclbench.lazy import pd
from iclbench.settings import Settings


class AnyMeasurement(Settings, ABC):
    """Rows of its own from settings of its own; one class a kind, in the room of its paper.

    A measurement makes all it needs (see ``Measurement``) or examines methods of its study, trained
    ones among them (see ``iclbench.training.examination``).
    """

    kind: str
    """The name of this kind in the registry."""

    @property
    def files(self) -> dict[str, Path]:
        """The local files that it reads, by name; what is in them determines its rows."""
        return {}


class Measurement(AnyMeasurement):
    """A measurement that makes all it needs.

    What it draws at random, it draws anew for each seed: a seed is one independent problem, and
    intervals over seeds are intervals over problems.
    """

    seeds: int = Field(
        default=16, ge=1, le=1_000_000, description="number of independent problems measured"
    )

    @abstractmethod
    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield tables of rows, as ``iclbench.records.make_rows`` returns them.

        Args:
            names: What the names of random streams begin with.
            labels: The columns study, task (the name of the measurement), scale, config and code.
        """

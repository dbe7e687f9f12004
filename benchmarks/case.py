"""A case: our code and a named reference, side by side on the same work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Run:
    """One repetition of one side.

    Attributes:
        seconds: What it took; inf where it did not get to what it was to reach.
        result: What it computed, by which the two sides are compared.
        curve: How it went, where that is of interest: steps, seconds, loss.
    """

    seconds: float
    result: Any = None
    curve: Sequence[tuple[int, float, float]] = ()


Side = Callable[[int], Run]
"""Does the work of one repetition, which is told its number, and says what it took."""


@dataclass(frozen=True)
class Aim:
    """What a comparison is to show.

    ``ratio``: the reference takes at least this many times our seconds. ``floors``: ours takes at
    most this many times the floor. ``seconds``: ours takes at most so many. ``excess``: ours takes
    at most so many seconds more than the reference.
    """

    quantity: Literal["ratio", "floors", "seconds", "excess"]
    bound: float

    def met(self, found: float) -> bool:
        """Return whether the quantity that was found is within the bound."""
        return found >= self.bound if self.quantity == "ratio" else found <= self.bound

    def __str__(self) -> str:
        match self.quantity:
            case "ratio":
                return f"ratio ≥ {self.bound:.3g}"
            case "floors":
                return f"≤ {self.bound:g} floors"
            case "seconds":
                return f"≤ {self.bound:g} s"
            case "excess":
                return f"≤ {self.bound:g} s more"


@dataclass(frozen=True)
class Growth:
    """Where a comparison stands in a series of sizes: axis, size, and the power of the arithmetic.

    The power is what counting operations promises: seconds in proportion to size^exponent.
    """

    axis: str
    at: float
    exponent: float


@dataclass(frozen=True)
class Comparison:
    """The same work, of one size, done by us and by the reference.

    Attributes:
        series: What is computed.
        size: How much of it.
        ours: Our side.
        reference: The other side; None where ours alone is of interest.
        floor: Seconds that nothing can go below on this machine, by counting operations or bytes.
        aims: What is to come out.
        difference: How far the two results differ.
        tolerance: How far they may, by rounding.
        growth: The place in a series of sizes.
        warm_up: Which sides run once before they are timed.
        at_most: How many repetitions at most, whatever is asked for, where one takes minutes.
    """

    series: str
    size: str
    ours: Side
    reference: Side | None = None
    floor: float | None = None
    aims: tuple[Aim, ...] = ()
    difference: Callable[[Any, Any], float] | None = None
    tolerance: float | None = None
    growth: Growth | None = None
    warm_up: tuple[Literal["ours", "reference"], ...] = ("ours", "reference")
    at_most: int | None = None


@dataclass(frozen=True)
class Options:
    """What the command line says to the cases.

    Attributes:
        small: Whether sizes are so small that every case runs in seconds and says nothing.
        tree: The folder of a finished run, for the cases that look at one.
    """

    small: bool = False
    tree: Path | None = None


class LeftOutError(Exception):
    """Why a case cannot run here, in a sentence, and what would let it."""


@dataclass(frozen=True)
class Case:
    """A comparison at several sizes.

    Attributes:
        name: What the command line calls it.
        summary: What is compared, in a line.
        reference: What ours is compared with, and which public script or practice that stands for.
        comparisons: Yields them one by one, each set up when its turn comes.
        repetitions: How often each is timed by default.
        threads: How many threads torch has.
    """

    name: str
    summary: str
    reference: str
    comparisons: Callable[[Options], Iterable[Comparison]]
    repetitions: int = 5
    threads: int = 1

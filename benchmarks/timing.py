"""Timing two sides in turn."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from benchmarks.case import Comparison, Run, Side
from benchmarks.memory import risen


@dataclass(frozen=True)
class Timed:
    """A repetition of a side, and how far memory rose in its warm-up (MiB), where there was one."""

    side: str
    repetition: int
    run: Run
    memory: float


def timed(work: Callable[[], Any]) -> Side:
    """Return the side that does the work once a repetition, by the clock."""

    def side(repetition: int) -> Run:
        del repetition
        began = perf_counter()
        result = work()
        return Run(perf_counter() - began, result)

    return side


def alternate(comparison: Comparison, repetitions: int) -> Iterator[Timed]:
    """Run both sides in turn and yield each run.

    What else the machine does meets both alike: the sides take turns, and take turns in being
    first. What a run leaves is collected before the next, and nothing while one lasts.
    """
    sides = {"ours": comparison.ours}
    if comparison.reference is not None:
        sides["reference"] = comparison.reference
    memory = dict.fromkeys(sides, float("nan"))
    for name in sides.keys() & set(comparison.warm_up):
        with risen() as rise:
            sides[name](0)
        memory[name] = rise()
    with _no_collection():
        for repetition in range(min(repetitions, comparison.at_most or repetitions)):
            names = list(sides) if repetition % 2 == 0 else list(reversed(sides))
            for name in names:
                gc.collect()
                yield Timed(name, repetition, sides[name](repetition), memory[name])


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave collection to calls, which need not go through what was there before."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()

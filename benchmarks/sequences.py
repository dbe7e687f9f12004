"""What the cases of kernel methods on sequences share: sequences, comparisons, growth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.agreement import largest_difference
from benchmarks.case import Aim, Comparison, Growth, Options
from benchmarks.floors import product_rate
from benchmarks.timing import timed
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.streams import stream
from iclbench.tasks.dynamics.haar import Haar

DIM = 5
TOLERANCE = 1e-8
LONGEST = Aim("seconds", 10)
"""What "in seconds" means at the greatest length."""

Reference = Callable[[np.ndarray, np.ndarray], np.ndarray]


def beside(
    series: str, method: Method, reference: Reference, options: Options, prompts: int = 8
) -> Iterator[Comparison]:
    """Yield a method beside a reference, at lengths that this can bear."""
    for length in (8, 16) if options.small else (64, 128):
        x, y = _sequences(prompts, length)
        yield Comparison(
            series=series,
            size=f"T = {length}, {prompts} prompts",
            ours=timed(partial(method.predict, torch.from_numpy(x), torch.from_numpy(y))),
            reference=timed(partial(reference, x, y)),
            difference=largest_difference,
            tolerance=TOLERANCE,
            warm_up=("ours",),
        )


def growing(
    series: str,
    method: Method,
    operations: Callable[[int], float],
    exponent: float,
    options: Options,
) -> Iterator[Comparison]:
    """Yield a method alone on one prompt, at growing lengths.

    Args:
        series: What is computed.
        method: Ours.
        operations: The least number of additions and multiplications at a length.
        exponent: The power of the length that they grow with.
        options: Of the command line.
    """
    lengths = (16, 32) if options.small else (128, 256, 512, 1024, 2048)
    for length in lengths:
        x, y = (torch.from_numpy(part) for part in _sequences(1, length))
        yield Comparison(
            series=series,
            size=f"T = {length}",
            ours=timed(partial(method.predict, x, y)),
            floor=operations(length) / product_rate("float64"),
            aims=(LONGEST,) if length == lengths[-1] else (),
            growth=Growth("T", length, exponent),
        )


def _sequences(prompts: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return states and their successors under Haar matrices."""
    drawn = Haar(kind="haar", dim=DIM).sample(
        stream("benchmarks", "sequences", length), prompts, length
    )
    return drawn.inputs, drawn.outputs

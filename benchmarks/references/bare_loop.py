"""Training an ensemble by a bare loop, without Lightning."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.ensemble import Stepper
from iclbench.lazy import torch


def train(
    stepper: Stepper,
    batches: Iterator[tuple[np.ndarray, np.ndarray]],
    observe: Callable[[int], None],
) -> None:
    """Take a step on every batch, and show the number of steps done after each."""
    for done, (inputs, outputs) in enumerate(batches, start=1):
        stepper.step(torch.from_numpy(inputs).float(), torch.from_numpy(outputs).float())
        observe(done)

"""The prompts of every training step, for all seeds at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from pydantic import ValidationError

from iclbench.streams import stream
from iclbench.tasks.family import Family
from iclbench.training.settings import Training

Batch = tuple[np.ndarray, np.ndarray]
Item = TypeVar("Item")


def batches(
    tasks: Sequence[Family],
    length: int,
    training: Training,
    names: tuple[str, ...],
    seeds: Sequence[int],
    start: int = 0,
) -> Iterator[
    tuple[Float[np.ndarray, "seed batch time p"], Float[np.ndarray, "seed batch time q"]]
]:
    """Yield the inputs and outputs of every step from ``start`` on, the task of each seed its own.

    What a seed sees at a step comes from streams of that name, whatever the other seeds and the
    steps before.
    """
    draw = _fresh if training.train_set is None else _from_set
    of_seeds = [
        draw(task, length, training, (*names, seed))
        for task, seed in zip(tasks, seeds, strict=True)
    ]
    for step in range(start, training.steps):
        inputs, outputs = zip(*(of_seed(step) for of_seed in of_seeds), strict=True)
        yield np.stack(inputs), np.stack(outputs)


LONGEST = 16
"""Steps that a block has at most: by then what is done once a block costs next to nothing."""


def in_blocks(
    batches: Iterable[Item], start: int, size: int, ends: Callable[[int], object]
) -> Iterator[list[Item]]:
    """Yield the batches of the steps from ``start`` on in lists.

    Args:
        batches: One a step.
        start: The steps done before.
        size: How many a list has at most; below 1 is 1, and more than ``LONGEST`` are that many.
        ends: Whether a list ends after this many steps in all.
    """
    block: list[Item] = []
    for done, batch in enumerate(batches, start + 1):
        block.append(batch)
        if len(block) >= min(size, LONGEST) or ends(done):
            yield block
            block = []
    if block:
        yield block


def _fresh(
    task: Family, length: int, training: Training, names: tuple[str | int, ...]
) -> Callable[[int], Batch]:
    """Return the function from a step to prompts drawn for it, or for the few steps around it."""
    every = training.resample_every

    @lru_cache(maxsize=1)
    def draw(segment: int) -> Batch:
        rng = stream(*names, "training", step=segment)
        step = segment * every
        pairs = training.points.at(step, length) if training.points else length
        if training.dims is None:
            prompts = task.sample(rng, training.batch, pairs)
            return prompts.inputs, prompts.outputs
        smaller = _of_dimension(task, training.dims.at(step, task.input_dim))
        prompts = smaller.sample(rng, training.batch, pairs)
        zeros = [(0, 0), (0, 0), (0, task.input_dim - smaller.input_dim)]
        return np.pad(prompts.inputs, zeros), prompts.outputs

    return lambda step: draw(step // every)


def _from_set(
    task: Family, length: int, training: Training, names: tuple[str | int, ...]
) -> Callable[[int], Batch]:
    """Return the function from a step to its part of a fixed set, shuffled every epoch."""
    size = training.train_set or 0
    per_epoch = size // training.batch
    prompts = task.sample(stream(*names, "training"), size, length)

    @lru_cache(maxsize=1)
    def order(epoch: int) -> np.ndarray:
        return stream(*names, "order", step=epoch).permutation(size)

    def draw(step: int) -> Batch:
        epoch, part = divmod(step, per_epoch)
        chosen = order(epoch)[part * training.batch : (part + 1) * training.batch]
        return prompts.inputs[chosen], prompts.outputs[chosen]

    return draw


def _of_dimension(task: Family, dim: int) -> Family:
    """Return the task of this many input coordinates, or of as few as it allows beyond them.

    What is left of a regression when the other coordinates of x are zero.
    """
    for candidate in range(dim, task.input_dim):
        with suppress(ValidationError):  # no setting of this name, or at odds with another
            smaller = type(task).model_validate(task.model_dump() | {"dim": candidate})
            if (smaller.input_dim, smaller.output_dim) == (candidate, task.output_dim):
                return smaller
    return task

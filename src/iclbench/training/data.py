"""The prompts of every training step, for all seeds at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from iclbench.streams import stream
from iclbench.tasks.family import Family
from iclbench.training.settings import Training

Batch = tuple[np.ndarray, np.ndarray]


def batches(
    task: Family,
    length: int,
    training: Training,
    names: tuple[str, ...],
    seeds: Sequence[int],
    start: int = 0,
) -> Iterator[
    tuple[Float[np.ndarray, "seed batch time p"], Float[np.ndarray, "seed batch time q"]]
]:
    """Yield the inputs and outputs of every step from ``start`` on.

    What a seed sees at a step comes from streams of that name, whatever the other seeds and the
    steps before.

    Raises:
        ValueError: If the curriculum reduces a dimension that the task does not have.
    """
    draw = _fresh if training.train_set is None else _from_set
    of_seeds = [draw(task, length, training, (*names, seed)) for seed in seeds]
    for step in range(start, training.steps):
        inputs, outputs = zip(*(of_seed(step) for of_seed in of_seeds), strict=True)
        yield np.stack(inputs), np.stack(outputs)


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
        dim = training.dims.at(step, task.input_dim)
        prompts = _of_dimension(task, dim).sample(rng, training.batch, pairs)
        zeros = [(0, 0), (0, 0), (0, task.input_dim - dim)]
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
    """Return the task with fewer input coordinates: what remains of it if the others are zero."""
    if "dim" not in type(task).model_fields:
        raise ValueError(f"{task.kind} has no dimension to reduce; remove dims from training")
    smaller = type(task).model_validate(task.model_dump() | {"dim": dim})
    if smaller.output_dim != task.output_dim:
        raise ValueError(
            f"the outputs of {task.kind} have as many coordinates as its inputs, which a "
            "curriculum cannot reduce; remove dims from training"
        )
    return smaller

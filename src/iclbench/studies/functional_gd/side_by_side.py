"""Training many models on the same prompts, side by side as one network where that can be."""

from __future__ import annotations

import tempfile
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, field_validator
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.models.paired import Paired
from iclbench.models.trained import TrainedModel
from iclbench.tasks.family import Family
from iclbench.training.ensembles import State
from iclbench.training.settings import Training
from iclbench.training.train import train

TOGETHER = 2**22
"""About how many attention weights, of all seeds, prompts and layers, are trained at a time."""


class SideBySide(TrainedModel):
    """Models Y <- Y + sum_h r_h Y h(B_h X, C_h X) of tokens (X; Y), that is with A = 0.

    What "layer" i of it predicts is what model i predicts, of the last label alone. In training
    each model has the error and the clipping of its gradient that it has alone, as probes have, and
    each starts from the same draws. Layers of one attention are one product, whatever the model:
    small networks cost operations rather than arithmetic. Models of fewer layers begin later, so
    that all end together, where nothing but the query is computed.
    """

    has_blocks: ClassVar[bool] = False

    kind: Literal["side_by_side"] = Field(description="several models as one network")
    models: tuple[Paired, ...] = Field(min_length=1, description="the models")

    @field_validator("models")
    @classmethod
    def _keep_inputs(cls, models: tuple[Paired, ...]) -> tuple[Paired, ...]:
        for model in models:
            if model.value != "labels" or model.context != "prefix":
                raise ValueError(
                    f"value: {model.value} with context: {model.context}, but side by side are "
                    "models that see a whole prompt and keep its x; say labels and prefix"
                )
        return models

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.studies.functional_gd.networks import SideBySideNetwork

        return SideBySideNetwork(self.models, input_dim)

    def state_of(self, place: int, state: State) -> State:
        """Return the parameters of the model at a place, by the names that it has alone."""
        heads = self.models[place].heads
        return {
            f"blocks.{layer}.{name}": part
            for name in ("query", "key", "value_labels")
            for layer, part in enumerate(state[f"probes.{place}.{name}"].split(heads, dim=1))
        }


class Outcome(NamedTuple):
    """A model, its parameters at the end unless every seed diverged, and those looked at before."""

    model: Paired
    state: State | None
    seen: dict[int, State]


def trained(
    models: Sequence[Paired],
    tasks: Sequence[Family],
    length: int,
    training: Training,
    names: tuple[str, ...],
    observed: Container[int],
) -> Iterator[Outcome]:
    """Train every model, as many at a time as fit, one network a task.

    Args:
        models: The models; those with ``value: labels`` are trained side by side.
        tasks: Where the prompts of each seed come from; labels are scalar.
        length: T, the pairs of a prompt, the query among them.
        training: How to train them.
        names: What random streams are named after, the same for all models.
        observed: After how many steps parameters are looked at.
    """
    part: list[Paired] = []
    size = 0
    for model in models:
        weights = len(tasks) * training.batch * model.layers * model.heads * length**2
        if part and (size + weights > TOGETHER or "block" in (model.value, part[0].value)):
            yield from _together(part, tasks, length, training, names, observed)
            part, size = [], 0
        part.append(model)
        size += weights
    yield from _together(part, tasks, length, training, names, observed)


def _together(
    models: Sequence[Paired],
    tasks: Sequence[Family],
    length: int,
    training: Training,
    names: tuple[str, ...],
    observed: Container[int],
) -> Iterator[Outcome]:
    from iclbench.training.module import TrainingDivergedError

    together: Paired | SideBySide = models[0]
    if len(models) > 1:
        together = SideBySide(kind="side_by_side", models=tuple(models))
    seen: dict[int, State] = {}
    result = None
    with tempfile.TemporaryDirectory() as folder, suppress(TrainingDivergedError):
        result = train(
            tasks,
            length,
            together,
            training,
            names,
            range(len(tasks)),
            Path(folder),
            "",
            observe=seen.__setitem__,
            observe_at=observed,
        )
    if not isinstance(together, SideBySide):
        yield Outcome(together, None if result is None else result.state, seen)
    elif result is None or result.diverged:
        # A model that diverges takes its seed along, so each is trained again, alone.
        for model in models:
            yield from _together([model], tasks, length, training, names, observed)
    else:
        for place, model in enumerate(models):
            own = {step: together.state_of(place, state) for step, state in seen.items()}
            yield Outcome(model, together.state_of(place, result.state), own)

"""What two predictors of the query's label have in common: predictions and sensitivities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from iclbench.lazy import torch
from iclbench.models.trained import TrainedModel
from iclbench.studies.linear_attention.descent import Constants, last_predictions
from iclbench.tasks.family import Family
from iclbench.training.ensembles import State, predictions_of
from iclbench.training.settings import Training
from iclbench.training.train import train


@dataclass(frozen=True)
class Answers:
    """Predictions at the query of every prompt, and their gradients in the query's x."""

    predictions: Float[np.ndarray, "seed batch"]
    gradients: Float[np.ndarray, "seed batch p"]

    def first(self, count: int) -> Answers:
        """Return those of the first prompts of every seed."""
        return Answers(self.predictions[:, :count], self.gradients[:, :count])

    def errors(
        self, outputs: Float[torch.Tensor, "seed batch time 1"]
    ) -> Float[np.ndarray, "seed batch"]:
        """Return the squared errors of the predictions of the last labels."""
        return (self.predictions - outputs[:, :, -1, 0].numpy()) ** 2


@dataclass(frozen=True)
class Comparison:
    """How far apart two predictors are on every prompt."""

    distance: Float[np.ndarray, "seed batch"]
    cosine: Float[np.ndarray, "seed batch"]


@dataclass(frozen=True)
class Watched:
    """A training that was looked at.

    Attributes:
        looks: Answers on the first test prompts by training step.
        last: Answers on all test prompts at the end.
    """

    looks: dict[int, Answers]
    last: Answers


def prompts_of(
    law: Family, rng: np.random.Generator, prompts: int, length: int
) -> tuple[Float[torch.Tensor, "batch time p"], Float[torch.Tensor, "batch time q"]]:
    """Return inputs and outputs of prompts as tensors in float64."""
    drawn = law.sample(rng, prompts, length)
    return torch.from_numpy(drawn.inputs), torch.from_numpy(drawn.outputs)


def compared(first: Answers, second: Answers) -> Comparison:
    """Return |difference of the predictions| and the cosine between the gradients.

    The cosine with a gradient that vanishes is 0.
    """
    inner = (first.gradients * second.gradients).sum(-1)
    norms = np.linalg.norm(first.gradients, axis=-1) * np.linalg.norm(second.gradients, axis=-1)
    cosine = np.divide(inner, norms, out=np.zeros_like(inner), where=norms != 0)
    return Comparison(np.abs(first.predictions - second.predictions), cosine)


def answers_of_descent(
    inputs: Float[torch.Tensor, "seed batch time p"],
    outputs: Float[torch.Tensor, "seed batch time 1"],
    steps: int,
    constants: Constants,
) -> Answers:
    """Return the answers of gradient descent or GD++."""
    x = inputs.flatten(0, 1).clone().requires_grad_()
    found = last_predictions(x, outputs.flatten(0, 1), steps, constants)
    (gradients,) = torch.autograd.grad(found.sum(), x)
    shape = inputs.shape[:2]
    return Answers(
        found.detach().unflatten(0, shape).numpy(), gradients[:, -1].unflatten(0, shape).numpy()
    )


def answers_of_networks(
    state: State,
    model: TrainedModel,
    inputs: Float[torch.Tensor, "seed batch time p"],
    outputs: Float[torch.Tensor, "seed batch time 1"],
) -> Answers:
    """Return the answers of the networks of all seeds, in the precision of their parameters.

    A prompt's prediction depends on its own query alone, so the gradient of the sum holds each's.
    """
    like = next(iter(state.values()))
    _, _, length, p = inputs.shape
    predictions = predictions_of(model, p, 1, length, last=True)
    x = inputs.to(like).clone().requires_grad_()
    found = predictions(state, x, outputs.to(like))[:, -1, :, 0, 0]
    (gradients,) = torch.autograd.grad(found.sum(), x)
    return Answers(found.detach().double().numpy(), gradients[:, :, -1].double().numpy())


def watched(
    law: Family,
    model: TrainedModel,
    training: Training,
    names: tuple[str, ...],
    seeds: Sequence[int],
    folder: Path,
    inputs: Float[torch.Tensor, "seed batch time p"],
    outputs: Float[torch.Tensor, "seed batch time 1"],
    probe: int,
    looks: int,
) -> Watched:
    """Train the networks of all seeds, looking at them now and then, at the end among others.

    Args:
        law: Where the training prompts come from.
        model: The architecture.
        training: How it is trained.
        names: What random streams are named after.
        seeds: The seeds.
        folder: An empty folder.
        inputs: The test prompts of every seed.
        outputs: Their outputs.
        probe: On how many of the test prompts training is looked at.
        looks: How often: at the start, and then after numbers of steps that grow geometrically.
    """
    found: dict[int, Answers] = {}
    few, few_outputs = inputs[:, :probe], outputs[:, :probe]

    def look(step: int, state: State) -> None:
        found[step] = answers_of_networks(state, model, few, few_outputs)

    steps = np.geomspace(min(10, training.steps), training.steps, looks - 1).round().astype(int)
    trained = train(
        law,
        inputs.shape[2],
        model,
        training,
        names,
        seeds,
        folder,
        "watched",
        device="cpu",
        observe=look,
        observe_at={0, *steps.tolist()},
    )
    return Watched(found, answers_of_networks(trained.state, model, inputs, outputs))

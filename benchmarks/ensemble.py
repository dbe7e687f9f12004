"""Our networks as they are trained, without Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iclbench.lazy import torch
from iclbench.models.trained import TrainedModel
from iclbench.training.ensembles import initialised, predictions_of
from iclbench.training.settings import Training

if TYPE_CHECKING:
    from iclbench.training.module import Ensemble


def built(
    model: TrainedModel,
    input_dim: int,
    output_dim: int,
    length: int,
    training: Training,
    names: tuple[str, ...],
    seeds: Sequence[int],
) -> Ensemble:
    """Return the ensemble that ``iclbench.training.train`` begins with."""
    from iclbench.training.module import Ensemble

    sizes = (input_dim, output_dim, length)
    state = initialised(model, *sizes, names, seeds)
    return Ensemble(state, predictions_of(model, *sizes), training, fingerprint="")


class Stepper:
    """An ensemble and its optimiser: what a step is, and nothing around it."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble
        match ensemble.configure_optimizers():
            case [optimizer], [schedule]:
                self.optimizer, self.schedule = optimizer, schedule
            case optimizer:
                self.optimizer, self.schedule = optimizer, None

    def step(self, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        """Take one step on a batch of every seed; return the last layer's error of every seed."""
        ensemble = self.ensemble
        self.optimizer.zero_grad()
        mixed = ensemble.plan.precision == "bf16-mixed"
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            predictions = ensemble.predictions(ensemble.state(), inputs, outputs)
            truth = outputs[:, None, :, -predictions.shape[3] :]
            errors = (predictions - truth).square().mean((2, 3, 4))
        errors.sum().backward()
        ensemble.on_before_optimizer_step(self.optimizer)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return errors[:, -1].detach()

"""The Lightning side of an ensemble of seeds."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

from iclbench.files import JobError
from iclbench.training.ensembles import Predictions, State
from iclbench.training.muon import AdamWithMuon, Matrices
from iclbench.training.settings import Training

Batch = tuple[Float[torch.Tensor, "seed batch _ p"], Float[torch.Tensor, "seed batch _ q"]]


class TrainingDivergedError(JobError):
    """No seed is left whose numbers are finite."""


class Ensemble(pl.LightningModule):
    """Networks of all seeds, trained side by side and independent of one another.

    The parameters of a seed are one row of one tensor: what is per seed (the norm of a gradient)
    is per row, and the optimiser has one tensor to go through. A batch of Lightning's is a block of
    steps, for what Lightning does between two batches takes as long as a small step.
    """

    def __init__(
        self,
        state: State,
        predictions: Predictions,
        training: Training,
        fingerprint: str,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.plan = training
        self.fingerprint = fingerprint
        self.predictions = predictions
        self.matrices: list[Matrices] = []
        if training.muon is not None:
            state, self.matrices = _matrices_first(state)
        self.shapes = {name: tensor.shape for name, tensor in state.items()}
        self.sizes = [tensor[0].numel() for tensor in state.values()]
        self.rows = torch.nn.Parameter(torch.cat([part.flatten(1) for part in state.values()], 1))
        self.groups = _groups(self.shapes, self.sizes)
        seeds = len(self.rows)
        logged = -(-training.steps // training.log_every)
        self.losses: torch.Tensor
        self.diverged: torch.Tensor
        self.register_buffer("losses", self.rows.new_zeros(logged, seeds))
        self.register_buffer("diverged", torch.full((seeds,), -1))

    def state(self) -> State:
        """Return the parameters of every seed by name, seed first."""
        parts = self.rows.split(self.sizes, dim=1)
        return {
            name: part.view(shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    @override
    def training_step(self, block: list[Batch], batch_idx: int) -> None:
        """Make one step a batch of the block."""
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer)
        for inputs, outputs in block:
            loss = self.loss(inputs, outputs)
            with torch.autocast(self.device.type, enabled=False):
                self.manual_backward(loss)
                optimizer.step()
            optimizer.zero_grad()
            if isinstance(schedule, LambdaLR):
                schedule.step()

    def loss(
        self,
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time q"],
    ) -> Float[torch.Tensor, ""]:
        """Return the sum of the mean squared errors of all seeds and depths, where predicted.

        A seed's error depends on its own row of parameters only, so the gradient of the sum holds
        every seed's own gradient; likewise for the probes, which read detached hidden states.
        """
        predictions = self.predictions(self.state(), inputs, outputs)
        truth = outputs[:, None, :, -predictions.shape[3] :]
        errors = (predictions - truth).square().mean((2, 3, 4))
        self._record(errors[:, -1].detach())
        return errors.sum()

    def _record(self, losses: torch.Tensor) -> None:
        if self.plan.devices > 1:
            losses = self.trainer.strategy.reduce(losses.clone(), reduce_op="mean")
        step, every = self.global_step, self.plan.log_every
        window = step // every
        size = min(every, self.plan.steps - window * every)
        self.losses[window] += losses / size
        self.diverged.masked_fill_(~losses.isfinite() & (self.diverged < 0), step)
        if (step + 1) % every == 0 and bool((self.diverged >= 0).all()):
            self.trainer.should_stop = True

    def raise_if_all_diverged(self) -> None:
        """Raise ``TrainingDivergedError`` if no seed is left that is finite."""
        if bool((self.diverged >= 0).all()):
            rates = f"learning_rate ({self.plan.learning_rate})"
            if self.plan.muon is not None:
                rates = f"muon.learning_rate ({self.plan.muon.learning_rate}), {rates}"
            raise TrainingDivergedError(
                f"every seed has met a number that is infinite or none, first at step "
                f"{int(self.diverged.min())}; lower {rates} or "
                f"gradient_clip ({self.plan.gradient_clip})"
            )

    @override
    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradient of every seed by its own norm, and that of a probe likewise."""
        if self.plan.gradient_clip is None or self.rows.grad is None:
            return
        for part in self.rows.grad.split(self.groups, dim=1):
            norm = part.norm(dim=1, keepdim=True)
            part.mul_((self.plan.gradient_clip / norm).clamp_max(1))

    @override
    def configure_optimizers(self) -> Any:
        """Return Adam, beside Muon if so planned, and the schedule of a varying learning rate."""
        rate, muon = self.plan.learning_rate, self.plan.muon
        optimizer: torch.optim.Optimizer
        if muon is None:
            optimizer = torch.optim.Adam([self.rows], lr=rate)
        else:
            ratio = muon.learning_rate / rate
            optimizer = AdamWithMuon(self.rows, self.matrices, rate, ratio, muon.momentum)
        if self.plan.schedule == "constant" and self.plan.warmup == 0:
            return optimizer
        schedule = LambdaLR(optimizer, self.plan.rate)
        return [optimizer], [schedule]

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the fingerprint, and leave out what callbacks remember: it holds paths."""
        checkpoint["fingerprint"] = self.fingerprint
        checkpoint["callbacks"] = {}


def _groups(shapes: dict[str, torch.Size], sizes: list[int]) -> list[int]:
    """Return how many numbers in a row belong to the transformer, to its first probe, and so on."""
    groups: dict[str, int] = {}
    for name, size in zip(shapes, sizes, strict=True):
        parts = name.split(".")
        owner = parts[1] if parts[0] == "probes" else "transformer"
        groups[owner] = groups.get(owner, 0) + size
    return list(groups.values())


def _matrices_first(state: State) -> tuple[State, list[Matrices]]:
    """Return parameters with the matrices of blocks first, by shape, and where these will be.

    Of a parameter with more than two dimensions the last two are the matrices'.
    """
    by_shape: dict[tuple[int, int], list[str]] = {}
    for name, tensor in state.items():
        if is_hidden_matrix(name, tensor.shape[1:]):
            by_shape.setdefault((tensor.shape[-2], tensor.shape[-1]), []).append(name)
    names = dict.fromkeys(name for some in by_shape.values() for name in some)
    matrices: list[Matrices] = []
    for (m, n), some in by_shape.items():
        count = sum(state[name][0].numel() for name in some) // (m * n)
        matrices.append(Matrices(matrices[-1].end if matrices else 0, count, (m, n)))
    ordered = [*names, *(name for name in state if name not in names)]
    return {name: state[name] for name in ordered}, matrices


def is_hidden_matrix(name: str, shape: torch.Size) -> bool:
    """Return whether a network's parameter consists of matrices of a block."""
    return name.startswith("block") and len(shape) > 1 and min(shape[-2:]) > 1

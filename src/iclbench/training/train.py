"""Training an ensemble of seeds of one model on one task."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from iclbench.files import JobError
from iclbench.lazy import torch
from iclbench.models.trained import TrainedModel
from iclbench.tasks.family import Family
from iclbench.training.data import batches, in_blocks
from iclbench.training.ensembles import Predictions, State, initialised, predictions_of
from iclbench.training.settings import Training
from iclbench.training.trained import Trained

if TYPE_CHECKING:
    from iclbench.training.module import Ensemble

TOKENS = 2**16
"""How many pairs a block of steps has at most, if it has more than one step."""


def train(
    task: Family | Sequence[Family],
    length: int,
    model: TrainedModel,
    training: Training,
    names: tuple[str, ...],
    seeds: Sequence[int],
    checkpoints: Path,
    fingerprint: str,
    device: str = "auto",
    checkpoint_every: int | timedelta = timedelta(seconds=60),
    observe: Callable[[int, State], None] | None = None,
    observe_at: Container[int] = (),
) -> Trained:
    """Train one network a seed, all of them at once.

    The loss is the mean squared error of the last layer's predictions over all positions and
    coordinates; each inner layer's probe has the same loss to itself. A seed's result does not
    depend on which other seeds are trained with it (up to rounding), and a run that was killed
    resumes from its last checkpoint to the same bytes as one that was not.

    Args:
        task: Where prompts come from; one for all seeds, or one a seed, of the same dimensions.
        length: T, the pairs of a prompt.
        model: The architecture.
        training: How to train it.
        names: What random streams are named after: the task and the model.
        seeds: The seeds, distinct.
        checkpoints: A folder for this run alone; the caller removes it with the result at hand.
        fingerprint: Names settings and code; checkpoints with another one are passed over.
        device: "auto" (a CUDA device if there is one), "cpu" or "cuda".
        checkpoint_every: Steps, or time, between two checkpoints.
        observe: Called with the number of steps done and the parameters of every seed; on one
            device alone.
        observe_at: After how many steps; 0 is the start. A run that resumes observes what is left.

    Raises:
        FolderInUseError: If another process trains with this folder.
        JobError: If there are fewer GPUs than devices.
        TrainingDivergedError: If no seed is left whose loss is finite.
    """
    import pytorch_lightning as pl
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from pytorch_lightning.strategies import DDPStrategy

    from iclbench.training.checkpoints import Keeper, SafetensorsIO, locked, newest
    from iclbench.training.module import Ensemble
    from iclbench.training.progress import Progress
    from iclbench.training.watcher import Watcher

    tasks = [task] * len(seeds) if isinstance(task, Family) else task
    sizes = (tasks[0].input_dim, tasks[0].output_dim, length)
    dtype = torch.float64 if training.precision == "float64" else torch.float32
    state = initialised(model, *sizes, names, seeds)
    predictions = predictions_of(model, *sizes, last=training.positions == "last")
    if training.compile:
        predictions = _compiled(predictions, training.compile, length)
    ensemble = Ensemble(
        {name: tensor.to(dtype) for name, tensor in state.items()},
        predictions,
        training,
        json.dumps([fingerprint, *names, *seeds]),
    )
    by_steps = checkpoint_every if isinstance(checkpoint_every, int) else None
    watchers = [] if observe is None else [Watcher(observe, observe_at)]
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if training.devices > 1:
        _check_devices(training.devices, on_gpu, observe is not None)
    with locked(checkpoints), _quiet():
        path, start = newest(checkpoints, ensemble.fingerprint) or (None, 0)
        if path is not None:
            sys.stderr.write(f"{' '.join(names)}: resumes at step {start}\n")

        def share(batch: torch.Tensor) -> torch.Tensor:
            """Return what this process has of a batch, which each of them draws as a whole."""
            return batch.chunk(training.devices, dim=1)[trainer.global_rank]

        prompts = (
            (share(torch.from_numpy(inputs)).to(dtype), share(torch.from_numpy(outputs)).to(dtype))
            for inputs, outputs in batches(tasks, length, training, names, seeds, start)
        )
        blocks = in_blocks(
            prompts,
            start,
            size=TOKENS // (len(seeds) * training.batch * length),
            ends=lambda done: done in observe_at or (by_steps and done % by_steps == 0),
        )
        trainer = pl.Trainer(
            accelerator="gpu" if on_gpu else "cpu",
            devices=training.devices,
            # Forked, as neither prompts that are drawn on the way nor functions can be pickled.
            strategy=DDPStrategy(start_method="fork", forward_sync_buffers=False)
            if training.devices > 1
            else "auto",
            precision="bf16-mixed" if training.precision == "bf16-mixed" else "32-true",
            max_steps=training.steps,
            max_epochs=-1,
            deterministic="warn" if on_gpu else None,
            callbacks=[Progress(" ".join(names)), Keeper(checkpoints, checkpoint_every), *watchers],
            plugins=[LightningEnvironment(), SafetensorsIO()],
            # Where Lightning, in a job of Slurm, looks for what a job before may have left.
            default_root_dir=checkpoints,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(ensemble, train_dataloaders=blocks, ckpt_path=path)
    return _result(ensemble, seeds, length)


def _check_devices(devices: int, on_gpu: bool, is_observed: bool) -> None:
    """Raise ``JobError`` if a training on several devices cannot be done."""
    if on_gpu and torch.cuda.device_count() < devices:
        raise JobError(
            f"training.devices is {devices} and there are {torch.cuda.device_count()} GPUs here; "
            "ask for as many, or lower it"
        )
    if is_observed:
        raise JobError(
            f"training.devices is {devices}, but parameters are looked at during this training, "
            "which is possible on one device alone; set it to 1"
        )


def _compiled(predictions: Predictions, backend: str, length: int) -> Predictions:
    """Return predictions that are compiled for prompts of full length, others being too rare."""
    compiled = torch.compile(predictions, backend=backend, dynamic=False)

    def chosen(state: State, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
        return (compiled if inputs.shape[2] == length else predictions)(state, inputs, outputs)

    return chosen


def _result(ensemble: Ensemble, seeds: Sequence[int], length: int) -> Trained:
    """Return what a finished run leaves, with NaN for a seed from where it diverged."""
    training = ensemble.plan
    rows, losses, diverged = ensemble.rows.data, ensemble.losses, ensemble.diverged
    diverged.masked_fill_(~rows.isfinite().all(1) & (diverged < 0), training.steps)
    ensemble.raise_if_all_diverged()
    rows.masked_fill_((diverged >= 0)[:, None], torch.nan)
    window = torch.arange(len(losses), device=losses.device)[:, None]
    losses.masked_fill_((diverged >= 0) & (window >= diverged // training.log_every), torch.nan)
    return Trained(
        state={name: part.detach().cpu().clone() for name, part in ensemble.state().items()},
        seeds=tuple(seeds),
        length=length,
        steps=tuple(
            min(training.steps, (row + 1) * training.log_every) for row in range(len(losses))
        ),
        losses=losses.cpu(),
        diverged={
            seed: step for seed, step in zip(seeds, diverged.tolist(), strict=True) if step >= 0
        },
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from announcing devices and tips, and from warning of what is meant so."""
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in (
                "GPU available but not used",
                "The `srun` command is available on your system but is not used",
                "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
            ):
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        logger.setLevel(level)

"""Checkpoints of a training run: one trainer a folder, safetensors in it, the last two kept."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from lightning_fabric.plugins import CheckpointIO
from typing_extensions import override

from iclbench.files import DamagedFileError, JobError, load_arrays, save_arrays
from iclbench.lazy import torch

log = logging.getLogger(__name__)

KEPT = 2


class FolderInUseError(JobError):
    """Another process trains with the same folder of checkpoints."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder of checkpoints, made if need be; the system lets go if this process dies.

    Raises:
        FolderInUseError: If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUseError(
                f"{folder}: another process is training here; wait for it, or end it first"
            ) from error
        yield


def newest(folder: Path, fingerprint: str) -> tuple[Path, int] | None:
    """Return the newest good checkpoint of this fingerprint and its step, or None.

    Damaged checkpoints and those of other settings are reported and passed over.
    """
    for path in reversed(_checkpoints(folder)):
        try:
            checkpoint = decoded(*load_arrays(path))
        except DamagedFileError as error:
            log.warning("%s; training goes on from an earlier state", error)
            continue
        if checkpoint["fingerprint"] == fingerprint:
            return path, checkpoint["global_step"]
        log.warning("%s: written by other settings or code; passed over", path)
    return None


class Keeper(pl.Callback):
    """Writes a checkpoint now and then, where a block of steps ends.

    Lightning's own ``ModelCheckpoint`` keeps no time where a module makes its steps itself.
    """

    def __init__(self, folder: Path, every: int | timedelta) -> None:
        self.folder = folder
        self.every = every

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.saved = time.monotonic()

    @override
    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if isinstance(self.every, int):
            is_due = trainer.global_step % self.every == 0
        else:
            is_due = time.monotonic() - self.saved >= self.every.total_seconds()
        # All processes save together, or wait for each other for ever.
        if trainer.strategy.broadcast(is_due):
            self.saved = time.monotonic()
            trainer.save_checkpoint(self.folder / f"step-{trainer.global_step:012d}.ckpt")


class SafetensorsIO(CheckpointIO):
    """Lightning's checkpoints as safetensors with JSON, the last two of a folder kept."""

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        path = Path(path)
        arrays, tree = encoded(checkpoint)
        save_arrays(arrays, path, tree)
        for old in _checkpoints(path.parent)[:-KEPT]:
            old.unlink()

    @override
    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return decoded(*load_arrays(Path(path)))

    @override
    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def _checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    return sorted(folder.glob("step-*.ckpt"))


def encoded(value: Any) -> tuple[dict[str, np.ndarray], Any]:
    """Return the tensors in nested containers by number, and the containers as JSON without them.

    Raises:
        TypeError: If there is anything else in them than tensors, numbers, strings and None.
    """
    arrays: dict[str, np.ndarray] = {}

    def encode(value: Any) -> Any:
        match value:
            case torch.Tensor():
                arrays[str(len(arrays))] = value.detach().cpu().numpy()
                return {"tensor": str(len(arrays) - 1)}
            case dict():
                return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
            case tuple():
                return {"tuple": [encode(item) for item in value]}
            case list():
                return [encode(item) for item in value]
            case None | bool() | int() | float() | str():
                return value
        raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}: {value!r}")

    tree = encode(value)
    return arrays, tree


def decoded(arrays: dict[str, np.ndarray], tree: Any) -> Any:
    """Return the containers that ``encoded`` was given."""
    match tree:
        case {"tensor": name}:
            return torch.from_numpy(arrays[name])
        case {"dict": items}:
            return {decoded(arrays, key): decoded(arrays, item) for key, item in items}
        case {"tuple": items}:
            return tuple(decoded(arrays, item) for item in items)
        case list():
            return [decoded(arrays, item) for item in tree]
    return tree

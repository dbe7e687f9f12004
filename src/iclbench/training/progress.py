"""One line on how training goes."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from iclbench.training.module import Ensemble


class Progress(pl.Callback):
    """Writes steps, median loss, speed and time left: renewed on a terminal, else now and then."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.is_terminal = sys.stderr.isatty()
        self.seconds = 0.5 if self.is_terminal else 5.0

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.began = self.written = time.monotonic()
        self.first = trainer.global_step

    @override
    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        now = time.monotonic()
        if now - self.written >= self.seconds:
            self.written = now
            self._write(trainer, pl_module)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._write(trainer, pl_module)
        if self.is_terminal:
            sys.stderr.write("\n")

    def _write(self, trainer: pl.Trainer, ensemble: pl.LightningModule) -> None:
        assert isinstance(ensemble, Ensemble)
        done, steps = trainer.global_step, ensemble.plan.steps
        speed = max(done - self.first, 1) / max(time.monotonic() - self.began, 1e-9)
        window = done // ensemble.plan.log_every - 1
        loss = f"loss {ensemble.losses[window].nanmedian():.3g}, " if window >= 0 else ""
        line = f"{self.label}: step {done}/{steps}, {loss}{speed:.0f} steps/s, "
        line += f"{(steps - done) / speed:.0f} s left"
        sys.stderr.write(f"\r{line}\x1b[K" if self.is_terminal else f"{line}\n")
        sys.stderr.flush()

"""How training goes: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytorch_lightning as pl
from tqdm import tqdm
from typing_extensions import override

from iclbench.training.module import Ensemble

SECONDS = 5.0
"""Between two lines in a log."""


class Progress(pl.Callback):
    """Shows steps, the median loss over seeds, speed and time left."""

    def __init__(self, label: str) -> None:
        self.label = label

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Ensemble)
        is_terminal = sys.stderr.isatty()
        self.bar = tqdm(
            desc=self.label,
            total=pl_module.plan.steps,
            initial=trainer.global_step,
            disable=not (is_terminal and trainer.is_global_zero),
            unit="step",
        )
        self.seconds = 0.2 if is_terminal else SECONDS
        self.began = self.shown = time.monotonic()
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
        if time.monotonic() - self.shown >= self.seconds:
            self._show(trainer, pl_module)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show(trainer, pl_module)
        self.bar.close()

    def _show(self, trainer: pl.Trainer, ensemble: pl.LightningModule) -> None:
        assert isinstance(ensemble, Ensemble)
        if not trainer.is_global_zero:
            return
        self.shown = time.monotonic()
        done, steps = trainer.global_step, ensemble.plan.steps
        window = done // ensemble.plan.log_every - 1
        loss = f"loss {ensemble.losses[window].nanmedian():.3g}" if window >= 0 else ""
        if not self.bar.disable:
            self.bar.set_postfix_str(loss, refresh=False)
            self.bar.update(done - self.bar.n)
            return
        speed = max(done - self.first, 1) / max(self.shown - self.began, 1e-9)
        parts = [f"step {done}/{steps}", loss, f"{speed:.0f} steps/s"]
        parts.append(f"{(steps - done) / speed:.0f} s left")
        sys.stderr.write(f"{self.label}: {', '.join(filter(None, parts))}\n")
        sys.stderr.flush()

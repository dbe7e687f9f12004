"""Looking at the parameters while they are trained."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import pytorch_lightning as pl
from typing_extensions import override

from iclbench.training.ensembles import State
from iclbench.training.module import Ensemble


class Watcher(pl.Callback):
    """Shows the parameters of every seed to a function after chosen numbers of steps."""

    def __init__(self, observe: Callable[[int, State], None], at: Container[int]) -> None:
        self.observe = observe
        self.at = at

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._look(trainer, pl_module)

    @override
    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._look(trainer, pl_module)

    def _look(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Ensemble)
        if trainer.global_step in self.at:
            state = pl_module.state()
            self.observe(
                trainer.global_step, {name: part.detach().clone() for name, part in state.items()}
            )

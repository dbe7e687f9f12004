"""Trained layers of linear self-attention against as many steps of gradient descent and GD++."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, field_validator

from iclbench.attention.linear import Linear
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.models.paired import Paired
from iclbench.records import make_rows
from iclbench.settings import Settings
from iclbench.streams import stream
from iclbench.studies.linear_attention.comparison import (
    Answers,
    answers_of_descent,
    compared,
    prompts_of,
    watched,
)
from iclbench.studies.linear_attention.descent import Constants, best_constants, best_step
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.settings import Training


class Network(Settings):
    """Layers of linear self-attention, and how they are trained."""

    layers: int = Field(ge=1, le=64, description="L, the depth")
    init_std: float = Field(
        default=0.1, gt=0, le=10, description="standard deviation of the initial weights"
    )
    training: Training = Field(description="how all seeds are trained; positions: last")

    @field_validator("training")
    @classmethod
    def _sees_whole_prompts(cls, training: Training) -> Training:
        if training.positions != "last":
            raise ValueError(
                f"positions: {training.positions}, but the loss is that of the query after all "
                "pairs; say positions: last"
            )
        return training

    @property
    def model(self) -> Paired:
        """Linear attention on tokens (x; y) with full query, key and value matrices.

        All pairs attend to all pairs, the query token (x; 0) is no key, and there is nothing else:
        no softmax, bias or feed-forward. The value matrix is the product P W_V of the paper's.
        """
        return Paired(
            kind="paired",
            layers=self.layers,
            attention=Linear(kind="linear", scale=1.0),
            value="dense",
            context="prefix",
            init_std=self.init_std,
        )


class LinearSelfAttention(Measurement):
    """Trained networks of L layers against L steps of gradient descent with a constant step size.

    The prompts have N pairs and a query. The constants of gradient descent (``gd``) and of GD++
    (``gd_plus_plus``; see ``iclbench.studies.linear_attention.descent``) are those of least loss on
    a set of prompts of their own, the same for all seeds; a seed is a training from other weights
    on other prompts, and is tested on other prompts, which all methods share.

    At ``iterate`` L, for the query alone:

    * ``loss``: mean squared error, of the networks, of ``gd`` and ``gd_plus_plus``;
    * ``loss_ratio``: that of a network over that of the ``reference``;
    * ``prediction_distance``: mean distance of a network's prediction from the reference's;
    * ``sensitivity_cosine``: mean cosine of the angle between their gradients in the query's x;
    * ``loss_in_training``, ``distance_in_training`` and ``cosine_in_training``: the loss and the
      last two against ``gd`` after ``reference_iterate`` training steps, on the ``probe`` first
      of the test prompts; gradient descent's loss on these is ``probe_loss``;
    * ``eta`` and ``gamma``: the constants.

    Source: von Oswald et al. 2023 (arXiv 2212.07677), linear self-attention; GD++ is reconstructed.
    """

    kind: Literal["linear_self_attention"] = Field(
        description="trained linear self-attention against gradient descent and GD++"
    )
    regression: LinearRegression = Field(description="the law of the pairs")
    pairs: int = Field(default=10, ge=1, le=1000, description="N, the pairs before the query")
    networks: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Network] = Field(
        min_length=1, description="what is trained, by the name that rows have"
    )
    fitted: int = Field(
        default=4096, ge=16, le=1_000_000, description="prompts that the constants are fitted to"
    )
    tested: int = Field(default=4096, ge=2, le=1_000_000, description="test prompts a seed")
    probe: int = Field(
        default=512, ge=2, le=1_000_000, description="test prompts looked at in training"
    )
    looks: int = Field(
        default=14, ge=2, le=1000, description="how often training is looked at, the start included"
    )

    @field_validator("networks")
    @classmethod
    def _not_a_solver(cls, networks: dict[str, Network]) -> dict[str, Network]:
        for name in ("gd", "gd_plus_plus"):
            if name in networks:
                raise ValueError(f"networks: {name!r} is a solver already; rename the network")
        return networks

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Fit the constants of every depth, then train every network, and yield the rows."""
        law, length = self.regression, self.pairs + 1
        x, y = prompts_of(law, stream(*names, "fitted"), self.fitted, length)
        tests = [
            prompts_of(law, stream(*names, "test", seed), self.tested, length)
            for seed in range(self.seeds)
        ]
        inputs, outputs = (torch.stack(part) for part in zip(*tests, strict=True))
        solved: dict[int, dict[str, Answers]] = {}
        for depth in sorted({network.layers for network in self.networks.values()}):
            constants = {"gd": best_step(x, y, depth), "gd_plus_plus": best_constants(x, y, depth)}
            solved[depth] = {
                name: answers_of_descent(inputs, outputs, depth, each)
                for name, each in constants.items()
            }
            for name, each in constants.items():
                about = {**labels, "method": name, "family": "solver", "seed": 0}
                yield from self._rows_of_solver(about, depth, each, solved[depth][name], outputs)
        for name, network in self.networks.items():
            about = {**labels, "method": name, "family": "trained", "seed": 0}
            yield from self._rows_of_network(
                about, (*names, name), network, solved[network.layers], inputs, outputs
            )

    def _rows_of_solver(
        self,
        labels: Mapping[str, Any],
        depth: int,
        constants: Constants,
        answers: Answers,
        outputs: Float[torch.Tensor, "seed batch time 1"],
    ) -> Iterator[pd.DataFrame]:
        for metric, value in constants._asdict().items():
            yield make_rows(labels, metric=metric, iterate=depth, value=value, n=self.fitted)
        seeds = np.arange(self.seeds)
        errors = answers.errors(outputs)
        for metric, part in (("loss", errors), ("probe_loss", errors[:, : self.probe])):
            yield make_rows(
                labels,
                metric=metric,
                iterate=depth,
                value=part.mean(1),
                stderr=part.std(1, ddof=1) / part.shape[1] ** 0.5,
                n=part.shape[1],
                seed=seeds,
            )

    def _rows_of_network(
        self,
        labels: Mapping[str, Any],
        names: tuple[str, ...],
        network: Network,
        solved: Mapping[str, Answers],
        inputs: Float[torch.Tensor, "seed batch time p"],
        outputs: Float[torch.Tensor, "seed batch time 1"],
    ) -> Iterator[pd.DataFrame]:
        seeds, depth = np.arange(self.seeds), network.layers
        what: dict[str, Any] = {"iterate": depth, "seed": seeds}
        with TemporaryDirectory() as folder:
            seen = watched(
                self.regression, network.model, network.training, names, seeds.tolist(),
                Path(folder), inputs, outputs, self.probe, self.looks,
            )  # fmt: skip
        probed = solved["gd"].first(self.probe)
        for step, answers in seen.looks.items():
            errors = answers.errors(outputs[:, : self.probe])
            found = compared(answers, probed)
            for metric, values in (
                ("loss_in_training", errors),
                ("distance_in_training", found.distance),
                ("cosine_in_training", found.cosine),
            ):
                yield make_rows(
                    labels,
                    metric=metric,
                    value=values.mean(1),
                    n=values.shape[1],
                    reference="gd",
                    reference_iterate=step,
                    **what,
                )
        errors = seen.last.errors(outputs)
        yield make_rows(
            labels,
            metric="loss",
            value=errors.mean(1),
            stderr=errors.std(1, ddof=1) / self.tested**0.5,
            n=self.tested,
            **what,
        )
        for name, answers in solved.items():
            found = compared(seen.last, answers)
            ratio = errors.mean(1) / answers.errors(outputs).mean(1)
            for metric, value in (
                ("loss_ratio", ratio),
                ("prediction_distance", found.distance.mean(1)),
                ("sensitivity_cosine", found.cosine.mean(1)),
            ):
                yield make_rows(
                    labels,
                    metric=metric,
                    value=value,
                    n=self.tested,
                    reference=name,
                    reference_iterate=depth,
                    **what,
                )

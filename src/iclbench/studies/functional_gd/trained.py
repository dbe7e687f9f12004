"""Transformers trained on labels of Gaussian processes, by attention, prompt length and depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from iclbench.kernels.sums import KernelOrSum
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.models.paired import Paired
from iclbench.records import make_rows
from iclbench.settings import Settings
from iclbench.studies.functional_gd.distances import distances
from iclbench.studies.functional_gd.problems import (
    SPECTRUM,
    Held,
    Remembering,
    Spectrum,
    held_out,
    process,
)
from iclbench.studies.functional_gd.side_by_side import Outcome, trained
from iclbench.training.ensembles import State, predictions_of
from iclbench.training.settings import Training

Heads = Annotated[
    tuple[Literal["linear", "relu", "exponential", "softmax"], ...],
    Field(min_length=1, max_length=8),
]

Value = Literal["block", "labels"]

TRAINING = Training(
    steps=400,
    batch=32,
    learning_rate=6e-2,
    schedule="cosine",
    warmup=0.1,
    gradient_clip=1.0,
    resample_every=2,
    positions="last",
)

PART = 2**9
"""How many prompts of a seed are predicted at a time."""


class Grid(Settings):
    """Models to train: every attention at every number of pairs and layers."""

    attentions: tuple[Heads, ...] = Field(
        min_length=1, description="models, each a list of the attention of its heads"
    )
    pairs: Ascending[Annotated[int, Field(ge=1, le=1000)]] = Field(
        description="n, the pairs before the query, ascending"
    )
    depths: Ascending[Annotated[int, Field(ge=1, le=32)]] = Field(
        description="L, the numbers of layers, ascending"
    )
    values: tuple[Value, ...] = Field(
        default=("labels",),
        min_length=1,
        description="the value matrix: diag(A, r) in a block, or diag(0, r) for the labels alone",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, le=10, description="of these models, in place of that of ``training``"
    )


class Cell(NamedTuple):
    """A model to train, in the order in which models are trained."""

    pairs: int
    rate: float
    value: Value
    depth: int
    heads: Heads


class TrainedGrid(Measurement):
    """Trained transformers on prompts of one Gaussian process a seed, n pairs and a query.

    The loss is that of the query alone. All models of a seed are trained and tested on the same
    prompts and, where they have the same matrices, from the same start. Rows by depth
    (``iterate``) and pairs n (``position``); a method is its heads, as ``linear_exponential``, with
    ``_full`` where A is trained and not 0:

    * ``excess``: the mean over test prompts of |prediction - Bayes prediction|^2;
    * ``loss``: that and the variance of the label given the pairs, which is the expected squared
      error; of ``bayes``, the variance alone;
    * ``sampled_loss``: the mean squared error for the labels drawn;
    * ``loss_to_bayes``: how many standard errors that is above the Bayes loss of these prompts.

    After the steps ``observed`` (``iterate``), by layer (``reference_iterate``) of each model, with
    |M - (tr M / d) I|_F / |M|_F: ``product_distance`` for M = Sigma^{1/2} B^T C Sigma^{1/2} and
    ``value_distance`` for M = Sigma^{-1/2} A Sigma^{1/2} (not of the last layer, where nothing
    reads what A writes).

    Attention other than softmax is divided by n. This changes no model, only what r and A are
    measured in: they then are of the size of B and C, as Adam needs, which moves all alike.

    Cheng et al. 2024 (arXiv 2312.06528), experiments.
    """

    kind: Literal["functional_gd_trained"] = Field(
        description="transformers trained on labels of Gaussian processes"
    )
    kernel: KernelOrSum = Field(description="the covariance of the labels")
    whitened: bool = Field(
        default=False, description="whether the kernel is of Sigma^{-1/2} x, in place of x"
    )
    spectrum: Spectrum = SPECTRUM
    grids: tuple[Grid, ...] = Field(min_length=1, description="what to train")
    training: Training = Field(default=TRAINING, description="how to train it; positions: last")
    init_std: float = Field(
        default=0.05, gt=0, le=10, description="standard deviation of the initial weights"
    )
    prompts: int = Field(default=2000, ge=2, le=10**7, description="test prompts a seed")
    observed: Ascending[Annotated[int, Field(ge=0)]] | None = Field(
        default=None, description="training steps after which matrices are looked at, ascending"
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrainedGrid:
        if self.training.positions != "last":
            raise ValueError("training.positions: the loss here is the query's; give last")
        if self.training.dims or self.training.points:
            raise ValueError("training: prompts have a fixed size here; remove dims and points")
        if self.training.muon:
            raise ValueError("training.muon: many models are one network here; remove muon")
        if self.observed and self.observed[-1] > self.training.steps:
            raise ValueError(
                f"observed: step {self.observed[-1]} is beyond training.steps "
                f"({self.training.steps}); end there"
            )
        cells = [cell._replace(rate=0) for cell in self._cells]
        twice = sorted({str(cell) for cell in cells if cells.count(cell) > 1})
        if twice:
            raise ValueError(f"grids: {', '.join(twice)}: given twice; each makes rows of its own")
        return self

    @property
    def _cells(self) -> list[Cell]:
        """What to train, by pairs, and then so that what is trained alike follows one another."""
        return sorted(
            Cell(pairs, grid.learning_rate or self.training.learning_rate, value, depth, heads)
            for grid in self.grids
            for pairs in grid.pairs
            for depth in grid.depths
            for heads in grid.attentions
            for value in grid.values
        )

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of the Bayes predictor at every n, and of every model."""
        seeds = range(self.seeds)
        for pairs, cells in groupby(self._cells, key=lambda cell: cell.pairs):
            here = (*names, f"pairs_{pairs}")
            tasks = [process(self.kernel, self.spectrum, seed, self.whitened) for seed in seeds]
            held = [
                held_out(task, (*here, seed), self.prompts, pairs)
                for task, seed in zip(tasks, seeds, strict=True)
            ]
            reference = {**labels, "method": "bayes", "family": "reference", "seed": 0}
            variances = np.stack([each.variance for each in held])
            yield _averaged(reference, "loss", variances, iterate=0, position=pairs)
            for rate, alike in groupby(cells, key=lambda cell: cell.rate):
                models = [self._model(cell) for cell in alike]
                training = self.training.model_copy(update={"learning_rate": rate})
                observed = self.observed or ()
                for outcome in trained(models, tasks, pairs + 1, training, here, observed):
                    yield from self._rows(outcome, tasks, held, labels)

    def _model(self, cell: Cell) -> Paired:
        """Return the model of a cell, with one attention for equal heads and else a list."""
        attentions = [{"kind": kind} for kind in cell.heads]
        return Paired.model_validate(
            {
                "kind": "paired",
                "layers": cell.depth,
                "heads": len(cell.heads),
                "attention": attentions[0] if len(set(cell.heads)) == 1 else attentions,
                "value": cell.value,
                "context": "prefix",
                "mean": "softmax" not in cell.heads,
                "init_std": self.init_std,
            }
        )

    def _rows(
        self,
        outcome: Outcome,
        tasks: list[Remembering],
        held: list[Held],
        labels: Mapping[str, Any],
    ) -> Iterator[pd.DataFrame]:
        model, pairs = outcome.model, held[0].inputs.shape[1] - 1
        own = {**labels, "method": _name(model), "family": "trained", "seed": 0}
        found = np.full((self.seeds, self.prompts), np.nan)
        if outcome.state is not None:
            found = _predictions(model, outcome.state, held)
        truth = np.stack([each.outputs[:, -1, 0] for each in held])
        variance = np.stack([each.variance for each in held])
        excess = (found - np.stack([each.bayes for each in held])) ** 2
        squares = (found - truth) ** 2
        yield _averaged(own, "excess", excess, model.layers, pairs)
        yield _averaged(own, "loss", variance + excess, model.layers, pairs)
        yield _averaged(own, "sampled_loss", squares, model.layers, pairs)
        difference = squares - variance
        errors = difference.std(1, ddof=1) / np.sqrt(self.prompts)
        everyone = np.arange(self.seeds)
        yield make_rows(
            own,
            metric="loss_to_bayes",
            value=difference.mean(1) / errors,
            n=self.prompts,
            seed=everyone,
            iterate=model.layers,
            position=pairs,
        )
        roots = torch.from_numpy(np.stack([task.covariance_root for task in tasks]))
        for step, state in outcome.seen.items():
            for metric, layer, distance in distances(state, model.layers, roots):
                yield make_rows(
                    own,
                    metric=metric,
                    iterate=step,
                    position=pairs,
                    reference_iterate=layer,
                    value=distance,
                    n=1,
                    seed=everyone,
                )


def _name(model: Paired) -> str:
    kinds = [
        attention.kind for attention, heads in model.attentions for _ in range(model.heads)[heads]
    ]
    return "_".join(kinds) + ("_full" if model.value == "block" else "")


def _averaged(
    labels: Mapping[str, Any],
    metric: str,
    values: Float[np.ndarray, "seed prompt"],
    iterate: int,
    position: int,
) -> pd.DataFrame:
    count = values.shape[1]
    return make_rows(
        labels,
        metric=metric,
        value=values.mean(1),
        stderr=values.std(1, ddof=1) / np.sqrt(count),
        n=count,
        seed=np.arange(len(values)),
        iterate=iterate,
        position=position,
    )


def _predictions(model: Paired, state: State, held: list[Held]) -> Float[np.ndarray, "seed prompt"]:
    """Return what each seed's network predicts for the queries of its own prompts."""
    like = next(iter(state.values()))
    inputs, outputs = (
        torch.from_numpy(np.stack(part)).to(like.dtype)
        for part in zip(*((each.inputs, each.outputs) for each in held), strict=True)
    )
    network = predictions_of(model, inputs.shape[-1], 1, inputs.shape[-2], last=True)
    parts = zip(inputs.split(PART, dim=1), outputs.split(PART, dim=1), strict=True)
    with torch.no_grad():
        found = [network(state, *pair)[:, -1, :, 0, 0] for pair in parts]
    return torch.cat(found, dim=1).double().numpy()

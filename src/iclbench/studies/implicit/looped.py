"""Looped transformers trained at N loops, and run with fewer and more."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.models.looped import Looped
from iclbench.records import make_rows
from iclbench.settings import Settings
from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.settings import Muon, Training
from iclbench.training.train import train
from iclbench.training.trained import predict

Data = tuple[Float[np.ndarray, "prompt time d"], Float[np.ndarray, "prompt time 1"]]
Errors = Callable[[Data, int], Float[np.ndarray, "loop prompt"]]

TRAINING = Training(
    steps=1000,
    batch=64,
    learning_rate=3e-3,
    muon=Muon(learning_rate=0.02),
    schedule="cosine",
    warmup=0.1,
    gradient_clip=1.0,
    train_set=16_384,
)

PART = 2**9
"""How many prompts go through the loops at a time: what fits in a cache takes a third less time."""


class Trainable(Settings):
    """A model to train at several numbers of loops."""

    weights: Literal["free", "step"] = Field(
        description="free: all weights of a looped transformer; step: one step size"
    )
    loops: Ascending[Annotated[int, Field(ge=2, le=1000)]] = Field(
        description="N, the loops it is trained with, ascending; one model each"
    )
    terms: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="free weights: train by the implicit gradient with as many terms of Neumann's "
        "series, which are the last loops; null: through all loops",
    )
    training: Training | None = Field(
        default=None, description="of this model, in place of that of all"
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Trainable:
        if self.weights == "step" and (self.terms or self.training):
            raise ValueError(
                "weights: step has one parameter, which is found by minimising; remove terms and "
                "training"
            )
        return self

    @property
    def name(self) -> str:
        """The method's name in rows."""
        if self.weights == "step":
            return "step_size"
        return "looped" if self.terms is None else "equilibrium"


class LoopedTraining(Measurement):
    """l(n), the mean squared error at n loops, of models trained at N loops.

    In-context linear regression y = w^T x with isotropic w and x; the loss is that of the query
    after all pairs but one, on the prompts of the training set (``train_loss``) and on fresh ones
    (``test_loss``), for n from N / 2 to 6 N (``iterate``; N is ``reference_iterate``). Beside them
    ``difference``, D(N, n - N) = l(n) - l(N) on training prompts, ``relative_difference``, D over
    1 + l(N), and ``gain``, D over l(N); ``test_difference`` and so on, of fresh prompts; and
    ``test_best``, the n with the least loss on fresh prompts.

    * ``looped``: a transformer of one block in a loop, all weights trained;
    * ``equilibrium``: the same with the gradient of the last ``terms`` loops, which at a fixed
      point is that of the implicit function theorem;
    * ``step_size``: gradient descent on the prompt's mean squared error from 0, in n loops; the
      step size, its only parameter, minimises the training loss at N.

    The loss that transformers are trained on is that of all positions.

    Source: Ramzi et al. 2023 (arXiv 2305.15042), in context (derived).
    """

    kind: Literal["implicit_looped"] = Field(
        description="loss of looped transformers at other numbers of loops than trained with"
    )
    models: tuple[Trainable, ...] = Field(min_length=1, description="what is trained")
    dim: int = Field(default=2, ge=1, le=64, description="d, dimension of the inputs")
    length: int = Field(default=6, ge=2, le=1000, description="T, the query among them")
    width: int = Field(default=32, ge=1, le=8192, description="width of the transformer")
    heads: int = Field(default=4, ge=1, le=256, description="its heads")
    init_std: float = Field(
        default=0.18, gt=0, le=10, description="standard deviation of its initial weights"
    )
    training: Training = Field(default=TRAINING, description="how it is trained; with a train_set")
    prompts: int = Field(default=4000, ge=2, le=10**6, description="prompts of either loss")

    @model_validator(mode="after")
    def _has_a_set(self) -> LoopedTraining:
        for training in (self.training, *(model.training for model in self.models)):
            if training is not None and training.train_set is None:
                raise ValueError(
                    "training.train_set: the loss on training prompts needs a fixed set; give its "
                    "size"
                )
        return self

    @override
    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of every model, N and seed."""
        task = LinearRegression(kind="linear", dim=self.dim)
        seeds = range(self.seeds)
        fresh = [self._draw(task, (*names, "test", seed), self.prompts) for seed in seeds]
        for model in self.models:
            family = "solver" if model.weights == "step" else "trained"
            own = {**labels, "method": model.name, "family": family}
            for loops in model.loops:
                here = (*names, model.name, f"loops_{loops}")
                training = model.training or self.training
                size = training.train_set or 0
                # The set as training draws it, for every seed its own.
                sets = [self._draw(task, (*here, seed, "training"), size) for seed in seeds]
                if model.weights == "step":
                    errors = [_descended(data, loops) for data in sets]
                else:
                    errors = self._trained(task, model, training, loops, here)
                for seed in seeds:
                    inputs, outputs = sets[seed]
                    seen = (inputs[: self.prompts], outputs[: self.prompts])
                    labelled = {**own, "seed": seed}
                    yield from self._rows(errors[seed], seen, fresh[seed], loops, labelled)

    def _draw(self, task: LinearRegression, names: tuple[str | int, ...], size: int) -> Data:
        drawn = task.sample(stream(*names), size, self.length)
        return drawn.inputs, drawn.outputs

    def _rows(
        self, errors: Errors, seen: Data, fresh: Data, loops: int, labels: dict[str, Any]
    ) -> Iterator[pd.DataFrame]:
        tested = np.unique(np.round(loops * FRACTIONS).astype(int))
        same: dict[str, Any] = {"reference": "trained", "reference_iterate": loops}
        same["n"] = self.prompts
        for data, loss, before in ((seen, "train_loss", ""), (fresh, "test_loss", "test_")):
            losses = errors(data, int(tested[-1])).mean(-1)[tested - 1]
            at = losses[tested == loops][0]
            for metric, value in (
                (loss, losses),
                (f"{before}difference", losses - at),
                (f"{before}relative_difference", (losses - at) / (1 + at)),
                (f"{before}gain", (losses - at) / at),
            ):
                yield make_rows(labels, metric=metric, iterate=tested, value=value, **same)
        best = tested[np.nanargmin(losses)] if np.isfinite(losses).any() else np.nan
        yield make_rows(labels, metric="test_best", iterate=0, value=best, **same)

    def _trained(
        self,
        task: LinearRegression,
        model: Trainable,
        training: Training,
        loops: int,
        names: tuple[str, ...],
    ) -> list[Errors]:
        """Train a transformer of every seed, and return its errors on the query by loops."""
        settings = Looped(
            kind="looped",
            layers=loops,
            width=self.width,
            heads=self.heads,
            init_std=self.init_std,
            terms=model.terms,
        )
        found = []
        # One network after the other: attention has no fused kernel for several on a CPU.
        for seed in range(self.seeds):
            with tempfile.TemporaryDirectory() as folder:
                trained = train(
                    task,
                    self.length,
                    settings,
                    training,
                    names,
                    [seed],
                    Path(folder),
                    fingerprint="",
                )

            def errors(data: Data, most: int, trained: Any = trained) -> np.ndarray:
                inputs, outputs = (torch.from_numpy(part) for part in data)
                longer = settings.model_copy(update={"layers": most})
                answers = [
                    predict(trained, longer, *pair)[0, :, :, -1, 0]
                    for pair in zip(inputs.split(PART), outputs.split(PART), strict=True)
                ]
                return (torch.cat(answers, dim=1) - outputs[:, -1, 0]).square().numpy()

            found.append(errors)
        return found


FRACTIONS = np.array(
    [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2, 2.5, 3, 4, 5, 6]
)
"""The loops tested, over N: N + DN for DN from -N / 2 to 5 N."""


def _descended(train_set: Data, loops: int) -> Errors:
    """Return the errors of gradient descent whose step size is best on a training set."""
    from scipy.optimize import minimize_scalar

    trained_on = _descent(train_set)
    best: Any = minimize_scalar(
        lambda log_step: trained_on(loops, float(np.exp(log_step)))[-1].mean(),
        bounds=(np.log(1e-3), np.log(10.0)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return lambda data, most: _descent(data)(most, float(np.exp(best.x)))


def _descent(data: Data) -> Callable[[int, float], Float[np.ndarray, "loop prompt"]]:
    """Return the function from a number of steps and their size to squared errors on the query.

    After 1 to as many steps; in the eigenbasis of a prompt's Hessian steps are scalar.
    """
    inputs, outputs = data
    seen, labels = inputs[:, :-1], outputs[:, :-1]
    values, vectors = np.linalg.eigh(seen.mT @ seen / seen.shape[1])
    b = (vectors.mT @ (seen.mT @ labels / seen.shape[1]))[..., 0]
    query = (vectors.mT @ inputs[:, -1, :, None])[..., 0]

    def errors(loops: int, step: float) -> Float[np.ndarray, "loop prompt"]:
        found = []
        with np.errstate(over="ignore", invalid="ignore"):
            w = np.zeros_like(b)
            for _ in range(loops):
                w = w + step * (b - values * w)
                found.append(((w * query).sum(-1) - outputs[:, -1, 0]) ** 2)
        return np.stack(found)

    return errors

"""The baselines of Garg et al. on the regressions that they train on; nothing is trained here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field, field_validator, model_validator

from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.measures import squared_errors
from iclbench.method import Ascending, Method
from iclbench.records import make_rows
from iclbench.registry import any_of
from iclbench.solvers.least_squares import LeastSquares
from iclbench.streams import stream
from iclbench.studies.linear_attention.descended import DescendedNetwork
from iclbench.studies.linear_attention.fitted import Fitted
from iclbench.studies.linear_attention.functions import DecisionTree, Quadratic
from iclbench.studies.linear_attention.lasso import Lasso
from iclbench.studies.linear_attention.resampling import bootstrap_means, rows_with_intervals
from iclbench.studies.linear_attention.trees import BoostedTrees, RegressionTree
from iclbench.tasks.family import Family
from iclbench.tasks.regression.linear import LinearRegression

if TYPE_CHECKING:
    Regression = Family
    Solver = Method
else:
    Regression = Annotated[
        any_of("regression") | Quadratic | DecisionTree, Field(discriminator="kind")
    ]
    Solver = Annotated[
        any_of("solvers") | Lasso | DescendedNetwork | RegressionTree | BoostedTrees,
        Field(discriminator="kind"),
    ]


class Baselines(Measurement):
    """Errors of solvers by the number of pairs seen, with bootstrap intervals over prompts.

    For every method, at its last iterate and every position, or those chosen: ``normalised_error``,
    the mean squared error over E y^2, which for linear regression is the error divided by d, and
    the ends ``error_low`` and ``error_high`` of its 90 % interval. A seed is an independent set of
    prompts.

    On linear regression with normal, isotropic inputs, all of w and no noise, the normalised error
    of least squares after t < d pairs is 1 - t/d: what w has outside the span of t inputs. The rows
    of the method ``closed_form`` have it (0 from d on), and ``z_score`` is how many standard errors
    least squares is off, without its sign; after each number of pairs t < d, and (no position) for
    the mean over them.

    Beside the regressions and solvers of the benchmark it knows those that this study alone has.

    Source: Garg et al. 2022 (arXiv 2208.01066), baselines and evaluation; the law of least squares
    is derived.
    """

    kind: Literal["garg_baselines"] = Field(
        description="errors of baselines against the number of pairs seen"
    )
    regression: Regression = Field(description="the law of the pairs (x, f(x))")
    length: int = Field(default=41, ge=2, le=1000, description="T, the number of pairs")
    prompts: int = Field(default=1280, ge=2, le=100_000, description="prompts a seed")
    methods: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Solver] = Field(
        min_length=1, description="the solvers compared, by the name that rows have"
    )

    positions: Ascending[Annotated[int, Field(ge=0)]] | None = Field(
        default=None,
        description="the numbers of pairs seen at which errors are measured; null: all",
    )

    @field_validator("regression")
    @classmethod
    def _has_a_power(cls, regression: Family) -> Family:
        if regression.output_power is None:
            raise ValueError(
                f"{regression.kind}: E y^2 has no closed form, by which errors are divided; give "
                "a regression that has one"
            )
        return regression

    @model_validator(mode="after")
    def _reaches(self) -> Baselines:
        if self.positions and self.positions[-1] >= self.length:
            raise ValueError(
                f"positions: {self.positions[-1]} pairs are seen by no prediction of a prompt of "
                f"length {self.length}; end below it"
            )
        return self

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of all methods, seed by seed."""
        power = self.regression.output_power
        positions = np.array(self.positions or range(self.length))
        assert power is not None
        law = self._law(positions)
        for seed in range(self.seeds):
            drawn = self.regression.sample(
                stream(*names, "prompts", seed), self.prompts, self.length
            )
            x, y = torch.from_numpy(drawn.inputs), torch.from_numpy(drawn.outputs)
            errors = {
                name: _errors(method, x, y, positions.tolist()) / power
                for name, method in self.methods.items()
            }
            together = np.concatenate(list(errors.values()), axis=1)
            ends = bootstrap_means(together, stream(*names, "bootstrap", seed))
            parts = np.split(ends, len(errors), axis=1)
            for (name, found), within in zip(errors.items(), parts, strict=True):
                method = self.methods[name]
                about = {**labels, "method": name, "family": "solver", "seed": seed}
                last = {"iterate": method.iterates[-1]}
                yield rows_with_intervals(found, within, about, position=positions, **last)
                if law is not None and isinstance(method, LeastSquares):
                    yield from _off(found, law, positions, about)
            if law is not None:
                about = {**labels, "method": "closed_form", "family": "reference", "seed": seed}
                what: dict[str, Any] = {"metric": "normalised_error", "iterate": 0, "n": 1}
                yield make_rows(about, position=positions, value=law, **what)

    def _law(
        self, positions: Int[np.ndarray, " position"]
    ) -> Float[np.ndarray, " position"] | None:
        """Return 1 - t/d, at least 0, where it is the error of least squares."""
        family = self.regression
        if not isinstance(family, LinearRegression) or family.noise or family.nonzeros:
            return None
        if family.condition > 1 or family.inputs != "normal":
            return None
        return np.maximum(0.0, 1 - positions / family.dim)


def _errors(
    method: Method,
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
    positions: list[int],
) -> Float[np.ndarray, "batch position"]:
    """Return the squared errors of the last iterate; slow fits are made here alone."""
    if isinstance(method, Fitted):
        found = method.predict_at(inputs, outputs, positions)
    else:
        found = method.predict(inputs, outputs)[-1][:, positions]
    return squared_errors(found[None], outputs[:, positions])[0].numpy()


def _off(
    errors: Float[np.ndarray, "prompts position"],
    law: Float[np.ndarray, " position"],
    positions: Int[np.ndarray, " position"],
    labels: Mapping[str, Any],
) -> Iterator[pd.DataFrame]:
    """Yield |mean - law| in standard errors where the law is above 0, and for the mean over it."""
    prompts, below = len(errors), law > 0
    errors, law = errors[:, below], law[below]
    for position, sample, expected in (
        (positions[below], errors, law),
        (None, errors.mean(1, keepdims=True), law.mean(keepdims=True)),
    ):
        stderr = sample.std(0, ddof=1) / prompts**0.5
        yield make_rows(
            labels,
            metric="z_score",
            iterate=0,
            position=position,
            value=np.abs(sample.mean(0) - expected) / stderr,
            n=prompts,
        )

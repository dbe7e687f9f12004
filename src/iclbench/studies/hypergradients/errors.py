"""The error of hypergradients against the distance from the inner solution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.records import make_rows
from iclbench.studies.hypergradients.estimators import ESTIMATORS, QUADRATIC, Estimator
from iclbench.studies.hypergradients.problems import Data, Inner, Outer, Regression, draw

COMPARED = ("vanilla", "reparameterised_diagonal")
"""Estimators with whose constant those of others are compared."""

MIDDLE = 10**-2.5
"""The distance at which the constant is taken."""

RANGES = (("distance", 3, 1e-1), ("distance", 4, 1e-1), ("near", 4, 1e-2))
"""Where errors are fitted: a name, the exponent of the least distance, and the largest one."""

NEAR = 0.1
"""The distance up to which the largest error is taken."""


class HypergradientErrors(Measurement):
    """|Gamma(x, y) - h'(y)| against |x - x*(y)|, for every estimator.

    x lies on the way of gradient descent (the first iterate within each distance), or on a line
    from x* in a random direction, where it has the distance exactly. Of every estimator:

    * ``hypergradient_error`` at every distance (``iterate``, from the largest on), and of ``inner``
      the ``distance`` itself and on descent the number of ``steps``;
    * ``slope`` of log error against log distance from 1e-1 to 1e-k (``reference_iterate`` k, 3 or
      4), and ``near``, from 1e-2 to 1e-4 (a ``reference`` of its own), of errors above rounding; of
      an error that is all rounding there is none;
    * ``constant``, error over distance at 10^-2.5 or the distance next to it, and
      ``constant_ratio`` to that of another (``reference``);
    * ``largest_error`` at distances up to 0.1, and ``error_at_solution``, at x* itself.

    Gradient descent has step 1.8 / lambda_max for ridge regression, and for logistic regression
    step 1, halved until the objective falls. It ends at the least distance, or after ``steps``.

    Source: Ye et al. 2024 (arXiv 2402.16748), Figs. 1 to 3, with other data.
    """

    kind: Literal["hypergradient_errors"] = Field(
        description="error of hypergradients against the distance from the inner solution"
    )
    data: Data = Field(description="what is regressed on")
    inner: Inner = Field(description="the inner objective")
    outer: Outer = Field(description="the outer loss; logistic: of rows held out")
    log_penalties: tuple[float, float] = Field(
        description="least and largest log penalty of a coordinate"
    )
    path: Literal["descent", "line"] = Field(
        default="descent", description="where x is: on gradient descent, or on a line from x*"
    )
    size: tuple[Annotated[int, Field(ge=2, le=10**6)], Annotated[int, Field(ge=1, le=256)]] = Field(
        default=(60, 6), description="n and d of Gaussian data"
    )
    exponents: Ascending[float] = Field(
        default=tuple(float(each) for each in np.linspace(-4, 1.5, 45)),
        description="the distances, as powers of ten, ascending",
    )
    steps: int = Field(default=50_000, ge=1, le=10**7, description="the most steps of descent")

    @model_validator(mode="after")
    def _exists(self) -> HypergradientErrors:
        if self.outer == "logistic" and self.inner != "logistic":
            raise ValueError(
                "outer: logistic: its labels are signs, which ridge regression does not fit here; "
                "give inner: logistic"
            )
        if self.log_penalties[1] < self.log_penalties[0]:
            raise ValueError("log_penalties: the least is above the largest; swap them")
        return self

    @override
    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of every seed: other penalties, outer loss, start and rows held out."""
        aims = 10.0 ** np.array(self.exponents)[::-1]
        for seed in range(self.seeds):
            regression = draw(
                self.data, self.inner, self.outer, self.log_penalties, (*names, seed), self.size
            )
            here = {**labels, "seed": seed, "family": "reference", "method": "inner"}
            points, steps = self._path(regression, aims)
            distances = (points - regression.solution).norm(dim=-1).numpy()
            places = np.arange(len(aims))
            yield make_rows(here, metric="distance", iterate=places, value=distances, n=1)
            if self.path == "descent":
                yield make_rows(here, metric="steps", iterate=places, value=steps, n=1)
            constants = {}
            for method, estimate in self._estimators.items():
                own = {**here, "method": method, "family": "solver"}
                errors = _errors(estimate, regression, points)
                yield make_rows(
                    own, metric="hypergradient_error", iterate=places, value=errors, n=1
                )
                # By the distances asked for: a descent that ends early has not all of them.
                middle = int(np.argmin(np.abs(np.log(aims / MIDDLE))))
                constants[method] = errors[middle] / distances[middle]
                at = _errors(estimate, regression, regression.solution[None])[0]
                near = errors[distances <= NEAR]
                largest = near.max() if len(near) else np.nan
                for metric, value in (
                    ("constant", constants[method]),
                    ("largest_error", largest),
                    ("error_at_solution", at),
                ):
                    yield make_rows(own, metric=metric, iterate=0, value=value, n=1)
                for reference, decades, most in RANGES:
                    least = 10.0**-decades
                    slope = _slope(distances, errors, regression, least, most)
                    if slope is not None:
                        same: dict[str, Any] = {
                            "reference": reference,
                            "reference_iterate": decades,
                        }
                        yield make_rows(own, metric="slope", iterate=0, value=slope, n=1, **same)
                for other in COMPARED:
                    if other in constants and other != method:
                        yield make_rows(
                            own,
                            metric="constant_ratio",
                            iterate=0,
                            value=constants[method] / constants[other],
                            n=1,
                            reference=other,
                            reference_iterate=0,
                        )

    @property
    def _estimators(self) -> dict[str, Estimator]:
        # Those that others are compared with come first.
        names = [*COMPARED, *(name for name in ESTIMATORS if name not in COMPARED)]
        return {
            name: ESTIMATORS[name]
            for name in names
            if self.inner == "ridge" or name not in QUADRATIC
        }

    def _path(
        self, regression: Regression, aims: Float[np.ndarray, " point"]
    ) -> tuple[Float[torch.Tensor, "point d"], Float[np.ndarray, " point"]]:
        """Return x at every distance, and after how many steps; NaN where that was not reached."""
        if self.path == "line":
            away = torch.from_numpy(aims)[:, None] * regression.direction
            return regression.solution + away, np.zeros(len(aims))
        points = torch.full((len(aims), len(regression.y)), torch.nan, dtype=torch.float64)
        steps = np.full(len(aims), np.nan)
        reached = 0
        for step, x in enumerate(self._descent(regression)):
            distance = float((x - regression.solution).norm())
            while reached < len(aims) and distance <= aims[reached]:
                points[reached], steps[reached] = x, step
                reached += 1
            if reached == len(aims) or step == self.steps:
                break
        return points, steps

    def _descent(self, regression: Regression) -> Iterator[Float[torch.Tensor, " d"]]:
        """Yield the iterates of gradient descent on the inner problem, without end."""
        x, y = regression.start, regression.y
        gradient = regression.problem.gradient
        largest = 1.0
        if self.inner == "ridge":
            hessian = torch.func.jacrev(gradient)(x, y)
            largest = float(torch.linalg.eigvalsh(hessian)[-1])
        while True:
            yield x
            slope = gradient(x, y)
            if self.inner == "ridge":
                x = x - 1.8 / largest * slope
                continue
            step, value = 1.0, regression.inner(x, y)
            while not regression.inner(x - step * slope, y) < value and step > 1e-10:
                step /= 2
            x = x - step * slope


def _errors(
    estimate: Estimator, regression: Regression, points: Float[torch.Tensor, "point d"]
) -> Float[np.ndarray, " point"]:
    """Return the error at every point; NaN where there is no estimate."""
    found = torch.func.vmap(lambda x: estimate(regression.problem, x, regression.y).value)(points)
    return (found - regression.hypergradient).norm(dim=-1).numpy()


def _slope(
    distances: Float[np.ndarray, " point"],
    errors: Float[np.ndarray, " point"],
    regression: Regression,
    least: float,
    most: float,
) -> float | None:
    """Return the slope of log error against log distance from ``most`` to ``least``.

    By least squares; None where no error above rounding is as near as ``least``, up to a factor 2.
    """
    rounding = 1e-13 * (1 + float(regression.hypergradient.norm()))
    fitted = (distances <= most * (1 + 1e-9)) & (distances >= least * (1 - 1e-9))
    fitted &= errors > rounding
    if fitted.sum() < 3 or distances[fitted].min() > 2 * least:
        return None
    slope, _ = np.polyfit(np.log(distances[fitted]), np.log(errors[fitted]), 1)
    return float(slope)

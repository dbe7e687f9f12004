"""How many iterations a given accuracy takes, against the condition number of the inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression

MOST = 2**40
"""Iterations beyond this are not counted."""


class Iterations(Measurement):
    """The first iteration at which the mean squared error of the d coefficients is small enough.

    Per seed the median over prompts, by the condition number of the inputs' covariance
    (``iterate``), after ``pairs`` pairs (``position``):

    * ``iterations`` of ``newton`` (alpha = 2/||S S^T||_F), ``gd_optimal`` (from 0, with eta =
      2/(l_min + l_max) of each prompt) and ``gd_fixed`` (from 0, with eta = ``step``; infinite,
      and so diverged, where it does not contract on half of the prompts);
    * ``contracting_fraction`` of the same: the share of prompts on which the error falls in every
      direction, which Newton's and the optimal step do on all;
    * ``condition``: l_max/l_min of S = X^T X.

    Along the eigenvector of l what is left of w after k iterations is (1 - alpha l^2)^{2^k} of it
    for Newton and (1 - eta l)^k for gradient descent. Both fall in k, so the first k is found by
    bisection.

    Source: Fu et al. 2024 (arXiv 2310.17086), whose rates are log(kappa) + log log(1/eps) for
    Newton and kappa log(1/eps) for gradient descent.
    """

    kind: Literal["newton_iterations"] = Field(
        description="iterations to an accuracy, against the condition number"
    )
    dim: int = Field(default=20, ge=2, le=256, description="d, dimension of the inputs")
    pairs: int = Field(default=40, ge=2, le=10_000, description="n >= d, the pairs seen")
    prompts: int = Field(default=200, ge=1, le=100_000, description="prompts a seed")
    conditions: Ascending[Annotated[int, Field(ge=1, le=10**6)]] = Field(
        default=(1, 10, 100, 1000),
        description="condition numbers of the inputs' covariance, ascending",
    )
    accuracy: float = Field(
        default=1e-3, gt=0, description="the mean squared coefficient error to reach"
    )
    step: float = Field(default=0.01, gt=0, description="eta of gd_fixed")

    @override
    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the medians of every seed and condition number."""
        for seed in range(self.seeds):
            for condition in self.conditions:
                task = LinearRegression(kind="linear", dim=self.dim, condition=condition)
                rng = stream(*names, "prompts", condition, seed)
                drawn = task.sample(rng, self.prompts, self.pairs)
                values, vectors = np.linalg.eigh(drawn.inputs.mT @ drawn.inputs)
                modes = (vectors.mT @ drawn.truth["w"][..., None])[..., 0]
                same: dict[str, Any] = {"iterate": condition, "position": self.pairs}
                for method, counts in self._counts(values, modes).items():
                    about = {**labels, "method": method, "family": "solver", "seed": seed}
                    median = np.median(counts)
                    finite = np.isfinite(counts).mean()
                    for metric, value in (
                        ("iterations", median),
                        ("contracting_fraction", finite),
                    ):
                        yield make_rows(about, metric=metric, value=value, n=self.prompts, **same)
                about = {**labels, "method": "inputs", "family": "reference", "seed": seed}
                ratio = np.median(values[:, -1] / values[:, 0])
                yield make_rows(about, metric="condition", value=ratio, n=self.prompts, **same)

    def _counts(
        self, values: Float[np.ndarray, "prompt d"], modes: Float[np.ndarray, "prompt d"]
    ) -> dict[str, Float[np.ndarray, " prompt"]]:
        squares = values**2
        newton = 1 - 2 * squares / np.linalg.norm(squares, axis=-1, keepdims=True)
        optimal = 1 - 2 * values / (values[:, :1] + values[:, -1:])
        powers: dict[str, tuple[np.ndarray, Callable[[np.ndarray], np.ndarray], int]] = {
            "newton": (newton, np.exp2, 100),
            "gd_optimal": (optimal, np.positive, MOST),
            "gd_fixed": (1 - self.step * values, np.positive, MOST),
        }

        def is_reached(factor: np.ndarray, power: np.ndarray) -> Bool[np.ndarray, " prompt"]:
            with np.errstate(under="ignore", over="ignore"):
                left = np.abs(factor) ** power[:, None] * modes
                return (left**2).mean(-1) < self.accuracy

        counts = {}
        for method, (factor, power, most) in powers.items():
            contracts = np.abs(factor).max(-1) < 1
            found = first(lambda k, f=factor, p=power: is_reached(f, p(k)), len(modes), most)
            counts[method] = np.where(contracts, found, np.inf)
        return counts


def first(
    holds: Callable[[Float[np.ndarray, " prompt"]], Bool[np.ndarray, " prompt"]],
    prompts: int,
    most: int,
) -> Float[np.ndarray, " prompt"]:
    """Return the least k from 0 to ``most`` with holds(k), by prompt; infinite if there is none.

    ``holds`` takes a k for each prompt, and what holds at k must hold from there on.
    """
    low, high = np.full(prompts, -1.0), np.full(prompts, float(most))
    never = ~holds(high)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        is_enough = holds(middle)
        low, high = np.where(is_enough, low, middle), np.where(is_enough, middle, high)
    return np.where(never, np.inf, high)

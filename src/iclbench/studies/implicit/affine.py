"""Inner iterations that are affine in the outer parameters: what more of them do to the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.records import make_rows
from iclbench.streams import stream

Losses = Callable[[int, Float[np.ndarray, " theta"]], float]


@dataclass(frozen=True)
class Trained:
    """A problem whose outer parameters are trained at N inner iterations.

    Attributes:
        fit: From N to the parameters that minimise the training loss at N iterations.
        loss: The training loss at n iterations with given parameters.
        held_out: The loss at n iterations on tasks that were not trained on; None if there are
            none.
    """

    fit: Callable[[int], Float[np.ndarray, " theta"]]
    loss: Losses
    held_out: Losses | None


class Affine(Measurement):
    """l(z_n(theta)) at n iterations, with theta trained at N iterations, exactly.

    * ``shared``: gradient descent on the ridge regressions of ``tasks`` tasks, each from the
      shared theta that also penalises it, |A z - b|^2 / (2 m) + penalty / 2 |z - theta|^2; the loss
      is the mean squared error on m other rows of each task. Few parameters for many solutions.
    * ``own``: the same with a theta for each task and m / 4 rows in the loss, which must be fewer
      than its dimension: more parameters than the loss constrains.
    * ``general``: z_{k+1} = z_k - eta K^T (K z_k + U theta + c) from a z_0 that is given, with
      Gaussian K, U, c and the loss |B z - e|^2 / 2; U is onto, and theta at least of z's dimension.
    * ``general_few``: the same with fewer parameters than K has rows, so that U is not onto.

    z_n is affine in theta, so theta at N minimises the training loss by least squares, of minimal
    norm. Tasks of ``shared`` have coefficients th0 + N(0, I) / 2, with Gaussian inputs and th0, and
    labels with noise 0.1; the step is half over the largest eigenvalue of a task's Hessian.

    By n (``iterate``) and N (``reference_iterate``, of the method): ``train_loss``; ``difference``
    D(N, n - N), the training loss at n less that at N; ``relative_difference``, D over 1 + the loss
    at N, ``gain``, D over the loss at N; ``best_off``, how far the n with the least training loss
    is from N; and of ``shared`` ``test_loss`` and ``test_relative_difference``, on fresh tasks.

    Source: Ramzi et al. 2023 (arXiv 2305.15042), Theorem 1 and the meta-learning experiment
    (reconstructed).
    """

    kind: Literal["implicit_affine"] = Field(
        description="losses of affine inner iterations, at more iterations than trained with"
    )
    problems: tuple[Literal["shared", "own", "general", "general_few"], ...] = Field(
        default=("shared", "own", "general", "general_few"), min_length=1, description="which"
    )
    trained: Ascending[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        default=(5, 10, 20), description="N, iterations that parameters are trained at, ascending"
    )
    tested: Ascending[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        default=(1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100, 200, 500, 1000, 2000),
        description="n, iterations tested at, ascending",
    )
    tasks: int = Field(default=50, ge=1, le=10_000, description="tasks of the ridge regressions")
    dim: int = Field(default=10, ge=1, le=256, description="their dimension")
    rows: int = Field(default=20, ge=4, le=10_000, description="m, rows of a task")
    penalty: float = Field(default=0.01, gt=0, description="weight of |z - theta|^2 / 2")

    @model_validator(mode="after")
    def _has_parameters_enough(self) -> Affine:
        if "own" in self.problems and self.rows // 4 >= self.dim:
            raise ValueError(
                f"rows: a quarter of {self.rows} rows in the loss of a theta of dimension "
                f"{self.dim} are not fewer; give fewer than {4 * self.dim} rows, or leave own out"
            )
        return self

    @override
    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of every seed."""
        for seed in range(self.seeds):
            for name in self.problems:
                problem = self._problem(stream(*names, name, seed), name)
                own = {**labels, "seed": seed, "method": name, "family": "reference"}
                for count in self.trained:
                    yield from self._rows(problem, count, own)

    def _problem(self, rng: np.random.Generator, name: str) -> Trained:
        if name in ("shared", "own"):
            return self._ridge(rng, name == "own")
        return _general(rng, few=name == "general_few")

    def _rows(self, problem: Trained, count: int, labels: dict[str, Any]) -> Iterator[pd.DataFrame]:
        theta = problem.fit(count)
        counts = sorted({*self.tested, count})
        tested = np.array(counts)
        losses = np.array([problem.loss(n, theta) for n in counts])
        at = losses[tested == count][0]
        same: dict[str, Any] = {"reference": "trained", "reference_iterate": count, "n": 1}
        metrics = {
            "train_loss": losses,
            "difference": losses - at,
            "relative_difference": (losses - at) / (1 + at),
        }
        # Where the loss is nil up to rounding, nothing is a part of it.
        if at > 1e-12:
            metrics["gain"] = (losses - at) / at
        if problem.held_out is not None:
            held_out = np.array([problem.held_out(n, theta) for n in counts])
            there = held_out[tested == count][0]
            metrics["test_loss"] = held_out
            metrics["test_relative_difference"] = (held_out - there) / (1 + there)
        for metric, values in metrics.items():
            yield make_rows(labels, metric=metric, iterate=tested, value=values, **same)
        off = abs(tested[np.argmin(losses)] - count)
        yield make_rows(labels, metric="best_off", iterate=0, value=off, **same)

    def _ridge(self, rng: np.random.Generator, own: bool) -> Trained:
        queries = self.rows // 4 if own else self.rows
        centre = rng.normal(size=self.dim)
        train = self._tasks(rng, centre, queries)
        if own:

            def loss(n: int, theta: np.ndarray) -> float:
                return train.loss(n, theta.reshape(self.tasks, self.dim))

            return Trained(
                lambda n: np.concatenate([each.fit(n) for each in train.alone]), loss, None
            )
        test = self._tasks(rng, centre, queries)
        return Trained(train.fit, train.loss, test.loss)

    def _tasks(self, rng: np.random.Generator, centre: np.ndarray, queries: int) -> _Ridges:
        w = centre + 0.5 * rng.normal(size=(self.tasks, self.dim))
        inputs = rng.normal(size=(self.tasks, self.rows + queries, self.dim))
        noise = 0.1 * rng.normal(size=inputs.shape[:2])
        labels = (inputs @ w[..., None])[..., 0] + noise
        return _Ridges(inputs, labels, self.rows, self.penalty)


@dataclass(frozen=True)
class _Ridges:
    """Ridge regressions towards theta by gradient descent from theta, task by task."""

    inputs: Float[np.ndarray, "task all d"]
    labels: Float[np.ndarray, "task all"]
    rows: int
    penalty: float

    @property
    def alone(self) -> list[_Ridges]:
        return [
            _Ridges(self.inputs[i : i + 1], self.labels[i : i + 1], self.rows, self.penalty)
            for i in range(len(self.inputs))
        ]

    def map(self, n: int) -> tuple[Float[np.ndarray, "task d d"], Float[np.ndarray, "task d"]]:
        """Return G and h of z_n = G theta + h."""
        seen, labels = self.inputs[:, : self.rows], self.labels[:, : self.rows, None]
        values, vectors = np.linalg.eigh(seen.mT @ seen / self.rows)
        values = values + self.penalty
        left = (1 - 0.5 * values / values[:, -1:]) ** n
        # Along an eigenvector, z* = (b + penalty theta) / value, and left of z_0 - z* is `left`.
        G = (vectors * (left + (1 - left) * self.penalty / values)[:, None]) @ vectors.mT
        solve = (vectors * ((1 - left) / values)[:, None]) @ vectors.mT
        return G, (solve @ (seen.mT @ labels / self.rows))[..., 0]

    def loss(self, n: int, theta: Float[np.ndarray, "*task d"]) -> float:
        """Return the mean squared error on the rows that are not fitted."""
        G, h = self.map(n)
        z = (G @ np.broadcast_to(theta, h.shape)[..., None])[..., 0] + h
        held, labels = self.inputs[:, self.rows :], self.labels[:, self.rows :]
        return float((((held @ z[..., None])[..., 0] - labels) ** 2).mean())

    def fit(self, n: int) -> Float[np.ndarray, " d"]:
        """Return the theta, shared by all tasks, that minimises it."""
        G, h = self.map(n)
        held, labels = self.inputs[:, self.rows :], self.labels[:, self.rows :]
        matrix = (held @ G).reshape(-1, G.shape[-1])
        right = (labels - (held @ h[..., None])[..., 0]).reshape(-1)
        return np.linalg.lstsq(matrix, right)[0]


def _general(rng: np.random.Generator, few: bool, d: int = 8, rows: int = 5) -> Trained:
    K = rng.normal(size=(rows, d)) / d**0.5
    U = rng.normal(size=(rows, 2 if few else d))
    c, start = rng.normal(size=rows), rng.normal(size=d)
    B, e = rng.normal(size=(2 * d, d)), rng.normal(size=2 * d)
    left, values, right = np.linalg.svd(K, full_matrices=False)
    step = 0.5 / values[0] ** 2

    def z(n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the matrix and the constant of z_n: z_0 - K^+ (I - (I - eta K K^T)^n) (...)."""
        done = (1 - (1 - step * values**2) ** n) / values
        M = -(right.T * done) @ left.T
        return M @ U, start + M @ (K @ start + c)

    def fit(n: int) -> np.ndarray:
        matrix, constant = z(n)
        return np.linalg.lstsq(B @ matrix, e - B @ constant)[0]

    def loss(n: int, theta: np.ndarray) -> float:
        matrix, constant = z(n)
        return float(((B @ (matrix @ theta + constant) - e) ** 2).sum() / 2)

    return Trained(fit, loss, None)

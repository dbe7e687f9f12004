"""Positional weights alone, learned by gradient descent that is stopped early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Complex, Float
from pydantic import Field

from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.tasks.dynamics.concentrated import Concentrated


def expected_moments(mu: float, count: int) -> Float[np.ndarray, " count"]:
    """Return E Re lambda^{2k} = sinc(4 k / mu), k < count, for lambda = exp(i theta / mu).

    Theta is uniform on [0, 2 pi), and sinc z = sin(pi z) / (pi z).
    """
    return np.sinc(4 * np.arange(count) / mu)


def stopped_descent(
    moments: Float[np.ndarray, " columns"], step: float, iterations: int
) -> Float[np.ndarray, "columns-1 columns"]:
    """Return P after gradient descent from 0, in closed form.

    Row r (from 0) of R minimises E |sum_{c <= r+1} P_rc lambda^{2c} - lambda^{2(r+1)}|^2 / R. Its
    Gram matrix is G_cc' = E Re lambda^{2(c-c')}, of which the right side is the last column; so k
    steps of size eta lead to

        (I - (I - 2 eta G / R)^k) e_{r+1}.

    Whatever the law, the weights move towards e_{r+1}, fast along the large eigenvectors of G,
    which are smooth, and slowly along the small ones (derived).

    Args:
        moments: E Re lambda^{2k}, k = 0, 1, …
        step: eta.
        iterations: k.
    """
    columns = len(moments)
    rows = columns - 1
    P = np.zeros((rows, columns))
    distance = np.abs(np.arange(columns)[:, None] - np.arange(columns))
    gram = moments[distance]
    for row in range(rows):
        values, vectors = np.linalg.eigh(gram[: row + 2, : row + 2])
        left = (1 - 2 * step / rows * values) ** iterations
        P[row, : row + 2] = vectors @ ((1 - left) * vectors[-1])
    return P


def descend(
    eigenvalues: Complex[np.ndarray, " batch"], rows: int, step: float, stop: float, most: int
) -> tuple[Float[np.ndarray, "r c"], int, float]:
    """Return P, iterations and loss of gradient descent on a fixed batch, until loss < ``stop``.

    Row r, asked at s_r = lambda^r, predicts sum_c P_rc <s_r, s_c> s_c of s_{r+2} and may attend to
    c <= r+1; the loss is the mean of |error|^2 over rows and batch. The common factor lambda^{-r}
    of prediction and target is dropped, which changes no error.
    """
    powers = eigenvalues[:, None] ** (2 * np.arange(rows + 1))
    features = np.concatenate([powers.real, powers.imag])
    targets = features[:, 1:].copy()
    batch = len(eigenvalues)
    P = np.zeros((rows, rows + 1))
    iterations = 0
    while True:
        errors = features @ P.T - targets
        loss = float(np.vdot(errors, errors)) / (batch * rows)
        if loss < stop or iterations == most or not np.isfinite(loss):
            return P, iterations, loss
        P -= step * np.tril(errors.T @ features * (2 / (batch * rows)), 1)
        iterations += 1


class Positional(Measurement):
    """Learned positional weights as the law of lambda concentrates at 1, and what explains them.

    For every mu (``iterate``) gradient descent from zero on the positional weights of a layer with
    one scalar head stops as soon as its loss is below ``stop``. Rows of the method
    ``gradient_descent``, a seed a batch, and of ``stopped_descent``, the closed form of as many
    steps on the expected loss: ``weight``, the last row of P by column (``position``); of seed 0,
    ``P`` by row (``reference_iterate``) and column. Of ``gradient_descent`` alone: ``iterations``;
    ``last_weight``, that of p_T; ``distance``, the largest distance of P from the closed form, and
    ``distance_on_batch``, from the closed form with the moments of the batch itself.

    Source: Sander et al. 2024 (arXiv 2402.05787), Fig. 6, settings of its code.
    """

    kind: Literal["icar_positional"] = Field(
        description="positional weights that gradient descent has learned when it stops early"
    )
    mus: Ascending[Annotated[int, Field(ge=1, le=10**6)]] = Field(
        default=(50, 100, 200, 300),
        description="mu, ascending: the larger, the closer lambda is to 1; whole numbers, as the "
        "rows hold them as iterate",
    )
    length: int = Field(default=30, ge=3, le=1000, description="T, the number of columns of P")
    batch: int = Field(default=1000, ge=1, le=10**6, description="sequences in the fixed batch")
    step: float = Field(default=0.5, gt=0, description="step size of gradient descent")
    stop: float = Field(default=1e-3, gt=0, description="the loss at which descent stops")
    most: int = Field(default=100_000, ge=1, description="the number of iterations it stops at")

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the weights, and how descent came to them, for every mu and seed."""
        rows = self.length - 1
        for mu in self.mus:
            task = Concentrated(kind="concentrated", mu=mu)
            for seed in range(self.seeds):
                drawn = task.sample(stream(*names, mu, seed), self.batch, 1).truth["angles"]
                P, iterations, _ = descend(
                    np.exp(1j * drawn[:, 0]), rows, self.step, self.stop, self.most
                )
                moments = np.cos(2 * drawn * np.arange(self.length)).mean(0)
                on_batch = stopped_descent(moments, self.step, iterations)
                moments = expected_moments(float(mu), self.length)
                expected = stopped_descent(moments, self.step, iterations)
                same: dict[str, Any] = {
                    **labels,
                    "method": "gradient_descent",
                    "family": "trained",
                    "seed": seed,
                }
                counts: dict[str, Any] = {"iterate": mu, "n": self.batch}
                ends = {
                    "iterations": iterations,
                    "last_weight": P[-1, -1],
                    "distance": np.abs(P - expected).max(),
                    "distance_on_batch": np.abs(P - on_batch).max(),
                }
                for metric, value in ends.items():
                    yield make_rows(same, metric=metric, value=value, **counts)
                closed = {**same, "method": "stopped_descent", "family": "reference"}
                for by, weights in ((same, P), (closed, expected)):
                    columns: dict[str, Any] = {"position": np.arange(self.length), **counts}
                    yield make_rows(by, metric="weight", value=weights[-1], **columns)
                    if seed == 0:
                        yield make_rows(
                            by,
                            metric="P",
                            value=weights,
                            reference_iterate=np.arange(rows)[:, None],
                            **columns,
                        )

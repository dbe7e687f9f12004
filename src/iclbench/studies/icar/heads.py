"""Gradient descent on the heads and positional weights of the layer without augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.studies.icar.population import loss_and_gradients
from iclbench.studies.icar.spectra import Law


def target(law: Law, dim: int) -> Float[np.ndarray, "d d"]:
    """Return p_T C at the minimum: I, or blocks of ones of size 2 (with p_{T-1} = -p_T / 2).

    The second is s_{T+1} = 2 cos(theta) s_T - s_{T-1} in each pair of coordinates. It is the only
    minimum where H < d, which asks for a low rank: blocks [[1, c], [c, 1]] with
    p_{T-1} / p_T = -c / (1 + c) have loss 0 for every c but -1, and are singular for c = 1 alone.
    But the loss also tends to 0 as eps does along C = blocks [[1, -1], [-1, 1]] + eps 1 1^T / d, of
    rank d/2 + 1, with p_{T-1} / p_T = 1 / eps: a valley that some descents follow and never leave
    (derived).
    """
    if law == "unitary":
        return np.eye(dim)
    return np.kron(np.eye(dim // 2), np.ones((2, 2)))


class Heads(Measurement):
    """Plain gradient descent on A, B and P from small Gaussian weights, all descents at once.

    The loss is the exact one (``population.loss``) summed over T = 2 … ``length``. Only the product
    of C = B^T A and P is determined, their scales are free. Each seed keeps, of its descents, the
    one that ends lowest. The method is the law; the rows:

    * ``loss`` by iteration, with the place of the descent as ``reference_iterate``, 0 the one kept;
    * ``reached_fraction``: the fraction of the descents that end below ``reached``;
    * of seed 0, the matrices ``A``, ``B``, ``C`` and ``P`` (``iterate`` the row, ``position`` the
      column);
    * after the last iteration: ``final_loss``; ``product_error``, the largest entry of
      |p_T C - target| over all rows of P; ``query_ratio``, p_{T-1} / p_T by T (``position``), and
      ``query_error``, its largest distance from 0 (unitary) or -1/2 (orthogonal); ``other_ratio``,
      the largest |p_t / p_T| of all other t and all T; ``singular_value`` of C, divided by the
      largest, with its number as ``reference_iterate``; ``rank``, how many of them exceed ``cut``.

    Source: Sander et al. 2024 (arXiv 2402.05787), Fig. 3, settings of its code; our loss is the
    exact one, not that of the code (see ``population.loss_as_coded``).
    """

    kind: Literal["icar_heads"] = Field(
        description="gradient descent on the heads and positional weights of one linear layer"
    )
    law: Law = Field(description="the law of lambda")
    dim: int = Field(default=10, ge=2, le=256, description="d, dimension of s_t")
    heads: int = Field(default=10, ge=1, le=256, description="H, number of heads")
    length: int = Field(default=20, ge=2, le=1000, description="T, the longest prompt")
    step: float = Field(default=0.01, gt=0, description="step size of gradient descent")
    iterations: int = Field(default=100, ge=1, le=10**7, description="number of iterations")
    init: float = Field(
        default=0.1, gt=0, description="standard deviation of the entries of A, B, P at the start"
    )
    starts: int = Field(default=1, ge=1, le=1000, description="descents a seed, the best kept")
    reached: float = Field(
        default=1e-3, gt=0, description="a descent has reached the minimum if it ends below this"
    )
    cut: float = Field(
        default=0.01, gt=0, lt=1, description="relative singular values above this make the rank"
    )

    @model_validator(mode="after")
    def _pairs_up(self) -> Heads:
        if self.law == "orthogonal" and self.dim % 2:
            raise ValueError(f"dim {self.dim} is odd; conjugate pairs need an even one")
        return self

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of the descent and of where it ends."""
        labels = {**labels, "method": self.law, "family": "trained", "seed": 0}
        A, B, P = self.start(names)
        marks, values = [], []
        wanted = {0, *np.geomspace(1, self.iterations, 80).astype(int)}
        wanted |= {*np.linspace(0, self.iterations, 41).astype(int)}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for iteration in range(self.iterations + 1):
                value, by_A, by_B, by_P = loss_and_gradients(self.law, A, B, P)
                if iteration in wanted:
                    marks.append(iteration)
                    values.append(value)
                if iteration < self.iterations:
                    A -= self.step * by_A
                    B -= self.step * by_B
                    P -= self.step * by_P
            losses = np.stack(values).reshape(-1, self.seeds, self.starts)
            order = np.argsort(losses[-1], axis=1, kind="stable")
            losses = np.take_along_axis(losses, order[None], axis=2)
            kept = np.arange(self.seeds) * self.starts + order[:, 0]
            yield from self._courses(labels, np.array(marks), losses)
            yield from self._matrices(labels, A[kept[0]], B[kept[0]], P[kept[0]])
            yield from self._ends(labels, B[kept].mT @ A[kept], P[kept])

    def start(self, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return A, B (descent, heads, d) and P (descent, length - 1, length) before the descents.

        The descents of a seed are neighbours.
        """
        shapes = [(self.heads, self.dim)] * 2 + [(self.length - 1, self.length)]
        drawn = [
            [self.init * rng.standard_normal(shape) for shape in shapes]
            for seed in range(self.seeds)
            for rng in (stream(*names, "weights", seed, start) for start in range(self.starts))
        ]
        A, B, P = (np.stack(part) for part in zip(*drawn, strict=True))
        return A, B, np.tril(P, 1)

    def _courses(
        self, labels: Mapping[str, Any], marks: np.ndarray, losses: np.ndarray
    ) -> Iterator[pd.DataFrame]:
        yield make_rows(
            labels,
            metric="loss",
            iterate=marks[:, None, None],
            reference_iterate=np.arange(self.starts),
            value=losses,
            seed=np.arange(self.seeds)[:, None],
            n=1,
        )
        ends = {
            "final_loss": (losses[-1, :, 0], 1),
            "reached_fraction": ((losses[-1] < self.reached).mean(1), self.starts),
        }
        for metric, (value, n) in ends.items():
            yield make_rows(
                labels,
                metric=metric,
                iterate=self.iterations,
                value=value,
                seed=np.arange(self.seeds),
                n=n,
            )

    def _matrices(
        self, labels: Mapping[str, Any], A: np.ndarray, B: np.ndarray, P: np.ndarray
    ) -> Iterator[pd.DataFrame]:
        for name, matrix in {"A": A, "B": B, "C": B.T @ A, "P": P}.items():
            yield make_rows(
                labels,
                metric=name,
                iterate=np.arange(matrix.shape[0])[:, None],
                position=np.arange(matrix.shape[1]),
                value=matrix,
                n=1,
            )

    def _ends(
        self, labels: Mapping[str, Any], C: np.ndarray, P: np.ndarray
    ) -> Iterator[pd.DataFrame]:
        rows = np.arange(self.length - 1)
        query, last = P[:, rows, rows], P[:, rows, rows + 1]
        others = P.copy()
        others[:, rows, rows] = others[:, rows, rows + 1] = 0
        products = last[..., None, None] * C[:, None]
        products -= target(self.law, self.dim)
        ends = {
            "product_error": np.abs(products).max((1, 2, 3)),
            "query_error": np.abs(query / last + (self.law == "orthogonal") / 2).max(1),
            "other_ratio": np.abs(others / last[..., None]).max((1, 2)),
        }
        finite = np.asarray(np.isfinite(C).all((1, 2)))
        values = np.linalg.svd(np.where(finite[:, None, None], C, 0.0), compute_uv=False)
        values = np.where(finite[:, None], values / values[:, :1], np.nan)
        ends["rank"] = np.where(finite, (values > self.cut).sum(1), np.nan)
        seeds = np.arange(self.seeds)
        same: dict[str, Any] = {"iterate": self.iterations, "n": 1}
        for metric, value in ends.items():
            yield make_rows(labels, metric=metric, value=value, seed=seeds, **same)
        seeds = seeds[:, None]
        yield make_rows(
            labels,
            metric="query_ratio",
            value=query / last,
            position=rows + 2,
            seed=seeds,
            **same,
        )
        yield make_rows(
            labels,
            metric="singular_value",
            value=values,
            reference_iterate=np.arange(1, self.dim + 1),
            seed=seeds,
            **same,
        )

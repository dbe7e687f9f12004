"""One gradient step in context: its best step size and its loss, exactly and by sampling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.tasks.dynamics.commuting_unitary import CommutingUnitary


def best_step(dim: int, length: int) -> float:
    """Return eta* = 3 / (2 Tmax + 3 d - 4), which minimises ``losses`` summed over T = 2 … Tmax.

    It is S1 / (S2 + (d-1) S1) with S1, S2 the sums of T-1 and (T-1)^2 (derived; the paper states
    3 / (2 Tmax) for long prompts).
    """
    return 3 / (2 * length + 3 * dim - 4)


def losses(dim: int, length: int, step: float) -> Float[np.ndarray, " terms"]:
    """Return E |eta sum_{t=2}^T s_t <s_{t-1}, s_T> - s_{T+1}|^2 for T = 2 … Tmax.

    It is d ((eta (T-1) - 1)^2 + (d-1) eta^2 (T-1)), for lambda_i iid uniform on the circle and
    s_1 = (1, …, 1) in C^d (derived).
    """
    terms = np.arange(1, length)
    return dim * ((step * terms - 1) ** 2 + (dim - 1) * step**2 * terms)


def least_loss(dim: int, length: int) -> float:
    """Return the loss at eta*, summed over T = 2 … Tmax: d (M - eta* M (M+1) / 2), M = Tmax - 1."""
    terms = length - 1
    return dim * (terms - best_step(dim, length) * terms * (terms + 1) / 2)


def sampled_moments(
    dim: int, length: int, rng: np.random.Generator, batch: int
) -> tuple[Float[np.ndarray, " terms"], Float[np.ndarray, " terms"]]:
    """Return the means over sampled prompts of |g_T|^2 and Re <g_T, s_{T+1}> for T = 2 … Tmax.

    g_T = sum_{t=2}^T s_t <s_{t-1}, s_T> is what one linear attention layer computes on tokens
    (0, s_t, s_{t-1}); the loss of the step eta is eta^2 E|g|^2 - 2 eta E Re<g, s_{T+1}> + d.
    """
    task = CommutingUnitary(kind="commuting_unitary", dim=dim)
    prompts = task.sample(rng, batch, length)
    states = prompts.inputs[..., ::2] + 1j * prompts.inputs[..., 1::2]
    following = prompts.outputs[..., ::2] + 1j * prompts.outputs[..., 1::2]
    weights = np.zeros((batch, dim, dim), dtype=complex)
    squares, products = np.empty(length - 1), np.empty(length - 1)
    for t in range(1, length):
        weights += states[:, t, :, None] * states[:, t - 1, None].conj()
        g = np.einsum("bij,bj->bi", weights, states[:, t])
        squares[t - 1] = np.sum(g.real**2 + g.imag**2) / batch
        products[t - 1] = np.vdot(g, following[:, t]).real / batch
    return squares, products


class Augmented(Measurement):
    """One gradient step on commuting unitary prompts: best step size and least loss.

    Rows by prompt length Tmax (``iterate``) of the methods ``closed_form`` and ``one_step``, the
    latter sampled, a seed an independent sample:

    * ``step_size``, ``step_size_times_length``: eta*, which for ``one_step`` minimises the sampled
      loss, and eta* Tmax;
    * ``least_loss``, ``least_loss_ratio``: the loss at that step summed over T = 2 … Tmax, and its
      ratio to d (Tmax - 1), the loss of predicting zero;
    * ``loss``: the summed loss at fixed percentages (``reference_iterate``) of the closed form's
      eta*;
    * ``error``: at the shortest length and the closed form's eta*, E|error|^2 / d by T
      (``position``).

    Source: Sander et al. 2024 (arXiv 2402.05787), augmented tokens; closed forms derived.
    """

    kind: Literal["icar_augmented"] = Field(
        description="best step and least loss of one gradient step in context, exact and sampled"
    )
    dim: int = Field(default=5, ge=1, le=256, description="d, complex dimension of the state")
    lengths: Ascending[Annotated[int, Field(ge=2, le=10_000)]] = Field(
        default=(20, 50, 100, 1000), description="Tmax, the prompt lengths, ascending"
    )
    percents: Ascending[Annotated[int, Field(ge=0, le=1000)]] = Field(
        default=(0, 50, 75, 90, 100, 110, 125, 150),
        description="step sizes at which the loss is measured, in percent of eta*, ascending",
    )
    pairs: int = Field(
        default=200_000,
        ge=100,
        le=10**9,
        description="pairs (s_t, s_{t+1}) sampled a seed and length; over Tmax, the prompts",
    )

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of the closed forms and of the samples."""
        exact = {**labels, "method": "closed_form", "family": "reference", "seed": 0}
        sampled = {**labels, "method": "one_step", "family": "constructed", "seed": 0}
        for length in self.lengths:
            step = best_step(self.dim, length)
            yield from self._rows(
                exact,
                length,
                n=1,
                step=np.array([step]),
                least=np.array([least_loss(self.dim, length)]),
                errors=lambda eta, length=length: losses(self.dim, length, eta)[None],
            )
            batch = max(1, self.pairs // length)
            moments = [
                sampled_moments(self.dim, length, stream(*names, "prompts", length, seed), batch)
                for seed in range(self.seeds)
            ]
            squares, products = (np.stack(part) for part in zip(*moments, strict=True))
            power = (length - 1) * self.dim
            yield from self._rows(
                sampled,
                length,
                n=batch,
                step=products.sum(1) / squares.sum(1),
                least=power - products.sum(1) ** 2 / squares.sum(1),
                errors=lambda eta, squares=squares, products=products: (
                    eta**2 * squares - 2 * eta * products + self.dim
                ),
            )

    def _rows(
        self,
        labels: Mapping[str, Any],
        length: int,
        *,
        n: int,
        step: np.ndarray,
        least: np.ndarray,
        errors: Any,
    ) -> Iterator[pd.DataFrame]:
        same: dict[str, Any] = {"iterate": length, "n": n, "seed": np.arange(len(step))}
        yield make_rows(labels, metric="step_size", value=step, **same)
        yield make_rows(labels, metric="step_size_times_length", value=step * length, **same)
        yield make_rows(labels, metric="least_loss", value=least, **same)
        ratio = least / (self.dim * (length - 1))
        yield make_rows(labels, metric="least_loss_ratio", value=ratio, **same)
        best = best_step(self.dim, length)
        for percent in self.percents:
            value = errors(percent / 100 * best).sum(1)
            yield make_rows(labels, metric="loss", value=value, reference_iterate=percent, **same)
        if length == self.lengths[0]:
            same["seed"] = same["seed"][:, None]
            value, position = errors(best) / self.dim, np.arange(2, length + 1)
            yield make_rows(labels, metric="error", value=value, position=position, **same)

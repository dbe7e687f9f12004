"""The error of the depth limit on periodic sequences, period by period."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field

from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.records import make_rows
from iclbench.studies.ckd.problems import (
    Attentions,
    depth_limit_of,
    distinct,
    is_kernel,
    kernel_of,
    name_of,
    pairs_of,
    prompts_of,
)
from iclbench.studies.ckd.rates import decay_rate
from iclbench.tasks.dynamics.periodic import Periodic


class PeriodicRates(Measurement):
    """Errors of the depth limit on cycles of tau points uniform on the sphere of R^d; per seed.

    Methods are ``ATTENTION_tau_TAU_dim_D``. ``error`` (iterate: period, from 1) is the largest
    |u_t - x_{t+1}| in a period.

    For a kernel the limit is cyclic Kaczmarz, which is Gauss-Seidel on the Gram matrix K of the tau
    points: with L = tril(K) the errors of one period, e_n (tau × d), give those of the next,
    e_{n+1} = G e_n with G = L^{-1}(L - K), from a constant diagonal on. So the kernels also have

    ``law_gap``: max_n |e_{n+1} - G e_n|, largest entry.
    ``rate_predicted``: rho(G), the spectral radius.
    ``rate``: the ratio of ``error`` from one period to the next, fitted from period ``burn`` on to
    rounding; left out for a seed that gets there within two periods.
    ``gap_ratio``: |lambda_2| / |lambda_1| of the two largest eigenvalues of G. It is 1 for a
    complex pair, where the ratio does not tend to rho(G) but swings about it.
    ``rate_deviation``: |rate / rho(G) - 1|, of the seeds with rho(G) < ``fast``, and
    ``rate_deviation_separated`` of those among them with gap_ratio^burn < ``remainder``, in which
    lambda_1 dominates from period ``burn`` on.

    Derived for Sander & Peyré 2024 (arXiv 2410.03011), Assumption 2.
    """

    kind: Literal["ckd_periodic"] = Field(
        description="errors of the depth limit on periodic sequences, against Gauss-Seidel"
    )
    attentions: Attentions
    dims: Annotated[tuple[Annotated[int, Field(ge=2, le=512)], ...], AfterValidator(distinct)] = (
        Field(default=(5,), min_length=1, description="dimensions d of the state")
    )
    taus: Annotated[tuple[Annotated[int, Field(ge=2, le=1000)], ...], AfterValidator(distinct)] = (
        Field(default=(4, 8, 15), min_length=1, description="numbers of points in the cycle, tau")
    )
    periods: int = Field(default=30, ge=3, le=1000, description="how many periods are seen")
    burn: int = Field(default=10, ge=1, le=1000, description="period from which rates are fitted")
    fast: float = Field(
        default=0.7, gt=0, le=1, description="rho(G) up to which deviations are reported"
    )
    remainder: float = Field(
        default=0.02,
        gt=0,
        lt=1,
        description="what may be left of the second eigenvalue, relative to the first, at ``burn``",
    )

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield errors and rates for every attention, tau and d."""
        for dim in self.dims:
            for tau in self.taus:
                family = Periodic(kind="periodic", dim=dim, period=tau)
                instance = (*names, str(dim), str(tau))
                prompts = prompts_of(family, instance, self.seeds, tau * self.periods)
                x, y = pairs_of(prompts)
                for attention in self.attentions:
                    limit = depth_limit_of(attention).predict(x, y)[0]
                    errors = (y - limit).unflatten(1, (self.periods, tau)).numpy()
                    method = f"{name_of(attention)}_tau_{tau}_dim_{dim}"
                    yield from self._tables(
                        {**labels, "method": method, "family": "solver", "seed": 0},
                        errors,
                        gauss_seidel(attention, prompts.truth["points"]),
                    )

    def _tables(
        self,
        labels: Mapping[str, Any],
        errors: Float[np.ndarray, "seed period tau d"],
        G: Float[np.ndarray, "seed tau tau"] | None,
    ) -> Iterator[pd.DataFrame]:
        largest = np.linalg.norm(errors, axis=-1).max(-1)
        yield make_rows(
            labels,
            metric="error",
            iterate=np.arange(1, self.periods + 1),
            value=largest,
            n=1,
            seed=np.arange(self.seeds)[:, None],
        )
        if G is None:
            return
        moduli = np.sort(np.abs(np.linalg.eigvals(G)), axis=-1)
        predicted = moduli[:, -1]
        measured = decay_rate(largest, first=self.burn - 1)
        gap = moduli[:, -2] / predicted
        deviation = np.where(predicted < self.fast, np.abs(measured / predicted - 1), np.nan)
        separated = gap**self.burn < self.remainder
        law = errors[:, 1:] - np.einsum("sij,spjd->spid", G, errors[:, :-1])
        values = {
            "law_gap": np.abs(law).max((1, 2, 3)),
            "rate_predicted": predicted,
            "rate": measured,
            "rate_deviation": deviation,
            "rate_deviation_separated": np.where(separated, deviation, np.nan),
            "gap_ratio": gap,
        }
        for metric, value in values.items():
            known = np.isfinite(value)
            if known.any():
                yield make_rows(
                    labels,
                    metric=metric,
                    iterate=0,
                    value=value[known],
                    n=1,
                    seed=np.flatnonzero(known),
                )


def gauss_seidel(
    attention: Linear | Exponential | Softmax, points: Float[np.ndarray, "seed tau d"]
) -> Float[np.ndarray, "seed tau tau"] | None:
    """Return G = L^{-1}(L - K) of the Gram matrix of the points; None where there is no kernel."""
    if not is_kernel(attention):
        return None
    x = torch.from_numpy(points)
    K = kernel_of(attention, points.shape[-1]).gram(x, x).numpy()
    L = np.tril(K)
    return np.linalg.solve(L, L - K)

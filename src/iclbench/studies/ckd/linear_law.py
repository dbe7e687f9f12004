"""The law of the error of the depth limit where f is orthogonal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field

from iclbench.attention.linear import Linear
from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.records import make_rows
from iclbench.studies.ckd.problems import depth_limit_of, distinct, pairs_of, prompts_of
from iclbench.studies.ckd.rates import decay_rate
from iclbench.tasks.dynamics.haar import Haar


class LinearLaw(Measurement):
    """The limit's error for x_{t+1} = Omega x_t, Omega Haar, with linear attention; per seed.

    u_t - x_{t+1} has the norm of M^{t-1} x_1 with M = (I - x_1 x_1^T) Omega and |x_1| = 1, so it
    falls at the rate rho(M), the spectral radius. Methods are ``dim_D``:

    ``law_gap``: max_t | |u_t - x_{t+1}| - |M^{t-1} x_1| |.
    ``rate_predicted``: rho(M). ``rate``: the rate of |u_t - x_{t+1}|, fitted over the later half of
    the prompt (or of its part above rounding).
    ``decay_deviation``: |log rate / log rho(M) - 1|, which tells rates near 1 apart, and
    ``decay_deviation_settled`` of the seeds with -T log rho(M) >= ``settled``.
    ``last_error``: |u_T - x_{T+1}|.

    Derived for Sander & Peyré 2024 (arXiv 2410.03011), whose Assumption 2 has this case.
    """

    kind: Literal["ckd_linear_law"] = Field(
        description="error of the depth limit against |M^{t-1} x_1|, orthogonal dynamics"
    )
    dims: Annotated[tuple[Annotated[int, Field(ge=2, le=512)], ...], AfterValidator(distinct)] = (
        Field(default=(5,), min_length=1, description="dimensions d of the state")
    )
    length: int = Field(default=200, ge=4, le=10_000, description="T, the number of pairs")
    settled: float = Field(
        default=5.0,
        ge=0,
        description="number of decay times -1 / log rho(M) in the prompt from which on a rate "
        "counts as settled",
    )

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the law and the rates in every dimension."""
        for dim in self.dims:
            family = Haar(kind="haar", dim=dim)
            prompts = prompts_of(family, (*names, str(dim)), self.seeds, self.length)
            x, y = pairs_of(prompts)
            limit = depth_limit_of(Linear(kind="linear")).predict(x, y)[0]
            error = (limit - y).norm(dim=-1).numpy()
            start = prompts.inputs[:, 0]
            M = projected(prompts.truth["W"], start)
            predicted = np.abs(np.linalg.eigvals(M)).max(-1)
            measured = decay_rate(error)
            deviation = np.abs(np.log(measured) / np.log(predicted) - 1)
            settled = -self.length * np.log(predicted) >= self.settled
            values = {
                "law_gap": np.abs(error - norms_of_powers(M, start, self.length)).max(-1),
                "rate_predicted": predicted,
                "rate": measured,
                "decay_deviation": deviation,
                "decay_deviation_settled": np.where(settled, deviation, np.nan),
                "last_error": error[:, -1],
            }
            for metric, value in values.items():
                known = np.isfinite(value)
                if known.any():
                    yield make_rows(
                        {**labels, "method": f"dim_{dim}", "family": "solver", "seed": 0},
                        metric=metric,
                        iterate=0,
                        value=value[known],
                        n=1,
                        seed=np.flatnonzero(known),
                    )


def projected(
    Omega: Float[np.ndarray, "batch d d"], start: Float[np.ndarray, "batch d"]
) -> Float[np.ndarray, "batch d d"]:
    """Return M = (I - x_1 x_1^T) Omega."""
    return Omega - start[:, :, None] * np.einsum("bj,bjk->bk", start, Omega)[:, None]


def norms_of_powers(
    M: Float[np.ndarray, "batch d d"], start: Float[np.ndarray, "batch d"], count: int
) -> Float[np.ndarray, "batch count"]:
    """Return the norms of x, M x, M^2 x and so on."""
    norms, vector = np.empty((len(M), count)), start
    for power in range(count):
        norms[:, power] = np.linalg.norm(vector, axis=-1)
        vector = np.einsum("bij,bj->bi", M, vector)
    return norms

"""The least loss that a given number of heads reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.studies.icar.population import loss_and_gradients
from iclbench.studies.icar.spectra import Law


def least_loss(law: Law, dim: int, heads: int) -> int:
    """Return min over A, B, p of the loss at any one T: d - H, or d - 2 H; 0 with enough heads.

    Of rank H, C can equal its target on H coordinates, or on H pairs of them (derived).
    """
    return max(0, dim - heads * (1 if law == "unitary" else 2))


class FewHeads(Measurement):
    """The least loss over A, B and p at one prompt length, by L-BFGS from several random starts.

    Rows by the number of heads (``iterate``), the method the law: ``least_loss``, the best over the
    starts of a seed; ``distance``, that from the closed form d - H (unitary) or d - 2 H
    (orthogonal); and ``least_loss`` of the method ``<law>_closed_form``.

    Under the unitary law every start arrives. Under the orthogonal law L-BFGS often stops at
    saddles: of the starts from d = 6 or 10 with H <= d/2, between a half (H = 1) and one in seven
    (H = d/2) arrive, so that 32 starts all miss with a probability of at most 0.01.

    Source: Sander et al. 2024 (arXiv 2402.05787), non-augmented tokens, which takes H >= d (or
    d/2); derived.
    """

    kind: Literal["icar_few_heads"] = Field(
        description="least loss of one linear layer with a given number of heads"
    )
    law: Law = Field(description="the law of lambda")
    dim: int = Field(default=6, ge=2, le=64, description="d, dimension of s_t")
    heads: Ascending[Annotated[int, Field(ge=1, le=256)]] = Field(
        description="numbers of heads H, ascending"
    )
    length: int = Field(default=5, ge=2, le=1000, description="T, the length of the prompt")
    starts: int = Field(default=32, ge=1, le=1000, description="random starts a seed")

    @model_validator(mode="after")
    def _pairs_up(self) -> FewHeads:
        if self.law == "orthogonal" and self.dim % 2:
            raise ValueError(f"dim {self.dim} is odd; conjugate pairs need an even one")
        return self

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the least losses found, and what they should be."""
        found = {**labels, "method": self.law, "family": "solver", "seed": 0}
        exact = {**found, "method": f"{self.law}_closed_form", "family": "reference"}
        for heads in self.heads:
            values = np.array(
                [
                    min(
                        self.descend(heads, stream(*names, "start", heads, seed, start))
                        for start in range(self.starts)
                    )
                    for seed in range(self.seeds)
                ]
            )
            least = least_loss(self.law, self.dim, heads)
            same: dict[str, Any] = {
                "iterate": heads,
                "n": self.starts,
                "seed": np.arange(self.seeds),
            }
            yield make_rows(found, metric="least_loss", value=values, **same)
            yield make_rows(found, metric="distance", value=np.abs(values - least), **same)
            yield make_rows(exact, metric="least_loss", iterate=heads, value=least, n=1)

    def descend(self, heads: int, rng: np.random.Generator) -> float:
        """Return the loss where L-BFGS stops, from entries N(0, 1/d)."""
        from scipy.optimize import minimize

        def split(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            A, B, p = np.split(flat, np.cumsum([heads * self.dim] * 2))
            return A.reshape(heads, -1), B.reshape(heads, -1), p[None]

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            value, *gradients = loss_and_gradients(self.law, *split(flat))
            return float(value), np.concatenate([part.ravel() for part in gradients])

        start = rng.standard_normal(2 * heads * self.dim + self.length) / np.sqrt(self.dim)
        options = {"maxiter": 5000, "maxfun": 10_000, "ftol": 1e-14, "gtol": 1e-9}
        return float(minimize(objective, start, jac=True, method="L-BFGS-B", options=options).fun)

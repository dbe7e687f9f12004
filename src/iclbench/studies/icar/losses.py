"""The population losses of the layer without augmentation, against samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.studies.icar.population import loss, loss_as_coded, prediction
from iclbench.studies.icar.spectra import Law, eigenvalues

CHUNK = 20_000


def _distinct(laws: tuple[Law, ...]) -> tuple[Law, ...]:
    if len(set(laws)) < len(laws):
        raise ValueError(f"{', '.join(laws)}: a law is listed twice; remove one")
    return laws


class Losses(Measurement):
    """The exact losses of random (C, p), against the mean over sampled lambda; a seed a (C, p).

    C has entries N(0, 1/d) and p N(0, 1). Rows of the methods ``unitary`` and ``orthogonal``, and
    of ``unitary_as_coded``, the formula in the authors' code, which counts a term twice: metrics
    ``exact``, ``sampled`` (with its standard error) and ``relative_difference``, their distance
    divided by ``sampled``. ``iterate`` is T.

    Source: Sander et al. 2024 (arXiv 2402.05787), non-augmented tokens; expectations derived.
    """

    kind: Literal["icar_losses"] = Field(
        description="exact losses of the layer without augmentation, against samples"
    )
    laws: Annotated[tuple[Law, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        default=("unitary", "orthogonal"), description="the laws of lambda, each once"
    )
    dim: int = Field(default=6, ge=2, le=256, description="d, dimension of s_t")
    length: int = Field(default=8, ge=2, le=1000, description="T, the length of the prompt")
    samples: int = Field(default=400_000, ge=2, le=10**9, description="lambdas drawn a seed")

    @model_validator(mode="after")
    def _pairs_up(self) -> Losses:
        if "orthogonal" in self.laws and self.dim % 2:
            raise ValueError(
                f"dim {self.dim} is odd; conjugate pairs of the orthogonal law need an even one"
            )
        return self

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the exact and the sampled losses of every seed."""
        for law in self.laws:
            for seed in range(self.seeds):
                rng = stream(*names, law, seed)
                C = rng.standard_normal((self.dim, self.dim)) / np.sqrt(self.dim)
                p = rng.standard_normal(self.length)
                errors = np.concatenate(
                    [
                        self._errors(C, p, eigenvalues(law, self.dim, rng, size))
                        for size in _chunks(self.samples)
                    ]
                )
                exact: dict[str, float | np.ndarray] = {law: loss(law, C, p[None])}
                if law == "unitary":
                    exact["unitary_as_coded"] = loss_as_coded(C, p[None])
                mean, stderr = errors.mean(), errors.std(ddof=1) / np.sqrt(self.samples)
                for method, value in exact.items():
                    same: dict[str, Any] = {
                        **labels,
                        "method": method,
                        "family": "reference",
                        "seed": seed,
                    }
                    counts: dict[str, Any] = {"iterate": self.length, "n": self.samples}
                    yield make_rows(same, metric="exact", value=value, **counts)
                    yield make_rows(same, metric="sampled", value=mean, stderr=stderr, **counts)
                    yield make_rows(
                        same,
                        metric="relative_difference",
                        value=abs(value - mean) / mean,
                        stderr=stderr / mean,
                        **counts,
                    )

    def _errors(self, C: np.ndarray, p: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        residual = prediction(C, p, drawn) - drawn**self.length
        return np.square(np.abs(residual)).sum(-1)


def _chunks(samples: int) -> Iterator[int]:
    for start in range(0, samples, CHUNK):
        yield min(CHUNK, samples - start)

"""Orbits of orthogonal matrices, to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from iclbench.lazy import pd
from iclbench.measurement import Measurement
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.tasks.dynamics.haar import Haar


class Orbits(Measurement):
    """The states s_t = W^t s_0 of Haar matrices W, t = 0 … length - 1; a seed a matrix.

    Rows: ``coordinate``, with its number as ``iterate`` and t as ``position``.

    Source: Sander et al. 2024 (arXiv 2402.05787), Fig. 1; its start is not stated, ours is
    (1, …, 1) / sqrt(d) as in its experiments.
    """

    kind: Literal["icar_orbits"] = Field(description="orbits of Haar orthogonal matrices")
    dim: int = Field(default=3, ge=3, le=4096, description="d; the first three are drawn")
    length: int = Field(default=50, ge=2, le=10_000, description="number of states")

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the coordinates of the states of every seed."""
        for seed in range(self.seeds):
            drawn = Haar(kind="haar", dim=self.dim).sample(stream(*names, seed), 1, self.length)
            yield make_rows(
                {**labels, "method": "haar", "family": "reference", "seed": seed},
                metric="coordinate",
                iterate=np.arange(self.dim),
                position=np.arange(self.length)[:, None],
                value=drawn.inputs[0],
                n=1,
            )

"""How well causal kernel descent predicts, by depth, step and number of pairs seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field, model_validator

from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.method import ascending
from iclbench.records import make_rows
from iclbench.registry import any_of
from iclbench.solvers.prefix_iterations import Iterations
from iclbench.studies.ckd.problems import (
    Attentions,
    depth_limit_of,
    descent,
    distinct,
    name_of,
    pairs_of,
    prompts_of,
)
from iclbench.tasks.family import Family

if TYPE_CHECKING:
    Dynamics = Family
else:
    Dynamics = any_of("dynamics")

Positions = Annotated[
    tuple[Annotated[int, Field(ge=0, le=100_000)], ...],
    Field(min_length=1, description="numbers of pairs seen at which errors are reported"),
    AfterValidator(ascending),
]
Window = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Descent(Measurement):
    """Errors of the recursion at several depths and steps, and of its limit; per seed.

    Methods are ``ATTENTION_step_F``, eta = F / L_ss at each pair s (F / kappa on the unit sphere,
    F for softmax), and ``ATTENTION_limit``, the triangular solve
    (iterate 0). ``error`` is |u_t - x_{t+1}| after as many pairs as the position says, those beyond
    the prompt left out; ``limit_distance`` (iterate: depth) is max_t |u_t^n - u_t^limit|. With
    ``windows`` there are also ``error_early`` and ``error_late``, means over the positions of each,
    and ``learning_ratio``, late / early; without a seed whose early errors are all 0, as its
    sequence has come to rest.

    Below the limit I - eta L is far from normal and an iterate may exceed float64 or lose all its
    digits; rows give the number found, or say diverged. Sander & Peyré 2024 (arXiv 2410.03011),
    section 4.
    """

    kind: Literal["ckd_descent"] = Field(
        description="errors of causal kernel descent by depth, step and position"
    )
    dynamics: Dynamics = Field(description="the law of s_{t+1} = f(s_t)")
    length: int = Field(default=100, ge=2, le=10_000, description="T, the number of pairs")
    attentions: Attentions
    steps: Annotated[tuple[Annotated[float, Field(gt=0)], ...], AfterValidator(distinct)] = Field(
        default=(1.0, 0.3, 0.1),
        description="eta in units of 1 / L_ss, the weight of pair s on itself (1 / kappa on the "
        "unit sphere); none: the limit alone",
    )
    depths: Iterations = Field(
        default=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512), description="numbers of layers n"
    )
    positions: Positions = (0, 1, 2, 5, 10, 20, 50, 99)
    windows: tuple[Window, Window] | None = Field(
        default=None,
        description="early and late numbers of pairs seen, first and last, to average",
    )

    @model_validator(mode="after")
    def _windows_fit(self) -> Descent:
        for first, last in self.windows or ():
            if not first <= last < self.length:
                raise ValueError(
                    f"windows: [{first}, {last}]: expected first <= last < length = {self.length}"
                )
        return self

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield errors and distances of every attention and step."""
        x, y = pairs_of(prompts_of(self.dynamics, names, self.seeds, self.length))
        for attention in self.attentions:
            yield from self._tables(attention, x, y, labels)

    def _tables(
        self,
        attention: Linear | Exponential | Softmax,
        x: Float[torch.Tensor, "seed time p"],
        y: Float[torch.Tensor, "seed time p"],
        labels: Mapping[str, Any],
    ) -> Iterator[pd.DataFrame]:
        name = name_of(attention)
        limit = depth_limit_of(attention).predict(x, y)
        yield from self._errors(f"{name}_limit", np.zeros(1, dtype=int), limit - y, labels)
        depths = np.array(self.depths)
        for step in self.steps:
            method = f"{name}_step_{step:g}"
            found = descent(attention, step, self.depths).predict(x, y)
            yield from self._errors(method, depths, found - y, labels)
            yield make_rows(
                _labels(labels, method),
                metric="limit_distance",
                iterate=depths[:, None],
                value=(found - limit).norm(dim=-1).amax(-1).numpy(),
                n=1,
                seed=np.arange(self.seeds),
            )

    def _errors(
        self,
        method: str,
        depths: np.ndarray,
        residuals: Float[torch.Tensor, "depth seed time p"],
        labels: Mapping[str, Any],
    ) -> Iterator[pd.DataFrame]:
        positions = np.array([seen for seen in self.positions if seen < self.length], dtype=int)
        errors = residuals.norm(dim=-1).numpy()
        yield make_rows(
            _labels(labels, method),
            metric="error",
            iterate=depths[:, None, None],
            position=positions,
            value=errors[:, :, positions],
            n=1,
            seed=np.arange(self.seeds)[:, None],
        )
        if self.windows is None:
            return
        early, late = (errors[:, :, a : b + 1].mean(-1) for a, b in self.windows)
        moving = early > 0
        ratio = np.divide(late, early, out=np.zeros_like(late), where=moving)
        values = {
            "error_early": (early, np.ones_like(moving)),
            "error_late": (late, np.ones_like(moving)),
            "learning_ratio": (ratio, moving),
        }
        for metric, (value, known) in values.items():
            depth, seed = np.nonzero(known)
            yield make_rows(
                _labels(labels, method),
                metric=metric,
                iterate=depths[depth],
                value=value[known],
                n=1,
                seed=seed,
            )


def _labels(labels: Mapping[str, Any], method: str) -> dict[str, Any]:
    return {**labels, "method": method, "family": "solver", "seed": 0}

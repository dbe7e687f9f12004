"""Which steps converge, which contract, and how descent follows its differential equation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field

from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.records import make_rows
from iclbench.registry import any_of
from iclbench.studies.ckd.problems import (
    Attentions,
    depth_limit_of,
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

Fractions = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1000)], ...],
    Field(min_length=1),
    AfterValidator(distinct),
]


class Stability(Measurement):
    """Spectra and norms of I - eta L, and the flow dR/ds = -L R from R(0) = Y; per seed.

    With kappa = max_s L_ss, methods name the attention and the step:

    ``spectral_radius`` and ``operator_norm`` of I - eta L at ``step_F``, eta = F / kappa, and
    ``operator_norm`` at ``bound_F``, eta = F kappa / |L|_2^2.
    ``symmetric_part``: the least eigenvalue of (L + L^T) / (2 kappa), at least 1/2 for a kernel, as
    L + L^T = K + diag(K): whence |I - eta L|_2 < 1 for eta < kappa / |L|_2^2.
    ``flow_excess`` (iterate j): |R(s)| exp(kappa s / 2) / |R(0)| at kappa s = 2^j / 16, at most 1
    for a kernel.
    ``flow_limit_gap`` (iterate j): max_t |u_t(s) - u_t| between u(s) = A int_0^s R, A the weights
    without those of a pair on itself, and the limit of infinite depth by a triangular solve, at
    the same s; it goes to 0 for every kind of attention.
    ``flow_distance`` (iterate n): |R^n - R(s)| / |R(0)|, n steps of descent with eta = s / n
    against the flow at kappa s = ``time``; of order 1/n.

    The norm of R is Frobenius'. The infinite-depth view is Sander & Peyré's (2024, arXiv
    2410.03011); the bounds are derived.
    """

    kind: Literal["ckd_stability"] = Field(
        description="spectral radius and norm of I - eta L, and the flow of infinite depth"
    )
    dynamics: Dynamics = Field(description="the law of s_{t+1} = f(s_t)")
    length: int = Field(default=40, ge=2, le=1000, description="T, the number of pairs")
    attentions: Attentions
    steps: Fractions = Field(
        default=(0.1, 0.3, 1.0, 1.99, 2.01), description="steps in units of 1 / kappa"
    )
    bounds: Fractions = Field(
        default=(0.5, 0.99), description="steps in units of kappa / |L|_2^2, the bound"
    )
    doublings: int = Field(
        default=14, ge=1, le=14, description="how many times kappa s = 1/16, 1/8, … are looked at"
    )
    time: float = Field(
        default=1.0, gt=0, le=10, description="kappa s at which descent is compared to the flow"
    )
    halvings: Annotated[
        tuple[Annotated[int, Field(ge=0, le=30)], ...], AfterValidator(distinct)
    ] = Field(
        default=(6, 7, 8, 9, 10), min_length=1, description="log2 of the numbers of steps n to it"
    )

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the spectra, norms and distances of every attention."""
        x, y = pairs_of(prompts_of(self.dynamics, names, self.seeds, self.length))
        for attention in self.attentions:
            L, A = attention.weights(x, x, mask=0), attention.weights(x, x, mask=-1)
            limit = depth_limit_of(attention).predict(x, y)[0]
            for suffix, metric, iterate, value in self._quantities(L, A, y, limit):
                yield make_rows(
                    {
                        **labels,
                        "method": name_of(attention) + suffix,
                        "family": "solver",
                        "seed": 0,
                    },
                    metric=metric,
                    iterate=iterate,
                    value=value.numpy(),
                    n=1,
                    seed=np.arange(self.seeds),
                )

    def _quantities(
        self,
        L: Float[torch.Tensor, "seed time time"],
        A: Float[torch.Tensor, "seed time time"],
        y: Float[torch.Tensor, "seed time q"],
        limit: Float[torch.Tensor, "seed time q"],
    ) -> Iterator[tuple[str, str, int, Float[torch.Tensor, " seed"]]]:
        diagonal = L.diagonal(dim1=1, dim2=2)
        kappa = diagonal.amax(1)
        scaled = L / kappa[:, None, None]
        for step in self.steps:
            # L is triangular: its eigenvalues stand on its diagonal.
            radius = (1 - step * diagonal / kappa[:, None]).abs().amax(1)
            yield f"_step_{step:g}", "spectral_radius", 0, radius
            yield f"_step_{step:g}", "operator_norm", 0, _norm_after(scaled, step)
        norm = torch.linalg.matrix_norm(scaled, 2)
        for bound in self.bounds:
            step = (bound / norm.square())[:, None, None]
            yield f"_bound_{bound:g}", "operator_norm", 0, _norm_after(scaled, step)
        symmetric = torch.linalg.eigvalsh((scaled + scaled.mT) / 2)
        yield "", "symmetric_part", 0, symmetric[:, 0]
        start = torch.linalg.matrix_norm(y)
        for j, (time, residual, integral) in enumerate(flow(scaled, y, self.doublings)):
            excess = torch.linalg.matrix_norm(residual) * np.exp(time / 2) / start
            yield "", "flow_excess", j, excess
            gap = A @ integral / kappa[:, None, None] - limit
            yield "", "flow_limit_gap", j, gap.norm(dim=-1).amax(-1)
        flown = torch.linalg.matrix_exp(-self.time * scaled) @ y
        for halving in self.halvings:
            n = 2**halving
            power = torch.eye(L.shape[1], dtype=L.dtype) - self.time / n * scaled
            for _ in range(halving):
                power = power @ power
            distance = torch.linalg.matrix_norm(power @ y - flown) / start
            yield "", "flow_distance", n, distance


def flow(
    L: Float[torch.Tensor, "batch time time"],
    start: Float[torch.Tensor, "batch time q"],
    doublings: int,
) -> Iterator[
    tuple[float, Float[torch.Tensor, "batch time q"], Float[torch.Tensor, "batch time q"]]
]:
    """Yield s, R(s) = exp(-s L) R and int_0^s R at s = 2^j / 16, j = 0, 1, 2, ….

    The integral is doubled with the flow: int_0^{2s} = int_0^s + exp(-s L) int_0^s. It begins with
    the exponential of ((-L, I), (0, 0)) s, whose upper blocks are exp(-s L) and int_0^s.
    """
    time, rows = 1 / 16, L.shape[-1]
    generator = torch.zeros(len(L), 2 * rows, 2 * rows, dtype=L.dtype)
    generator[:, :rows, :rows] = -L
    generator[:, :rows, rows:] = torch.eye(rows, dtype=L.dtype)
    blocks = torch.linalg.matrix_exp(time * generator)[:, :rows]
    decay, integral = blocks[..., :rows], blocks[..., rows:]
    for _ in range(doublings):
        yield time, decay @ start, integral @ start
        integral = integral + decay @ integral
        decay = decay @ decay
        time = 2 * time


def _norm_after(
    L: Float[torch.Tensor, "batch time time"], step: float | Float[torch.Tensor, "batch 1 1"]
) -> Float[torch.Tensor, " batch"]:
    identity = torch.eye(L.shape[-1], dtype=L.dtype)
    return torch.linalg.matrix_norm(identity - step * L, 2)

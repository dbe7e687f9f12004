"""Whether the transformer, the recursion, its limit and Kaczmarz agree as the theory says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.models.constructed.causal_kernel_descent import (
    CausalKernelDescent as Transformer,
)
from iclbench.models.constructed.depths import Depths
from iclbench.records import make_rows
from iclbench.registry import any_of
from iclbench.solvers.causal_kernel_descent import CausalKernelDescent
from iclbench.studies.ckd.problems import (
    Attentions,
    depth_limit_of,
    descent,
    is_kernel,
    kernel_of,
    name_of,
    pairs_of,
    prompts_of,
)
from iclbench.tasks.family import Family

if TYPE_CHECKING:
    Dynamics = Family
else:
    Dynamics = any_of("dynamics")


class Agreement(Measurement):
    """Largest differences between predictions that theory says are equal; per seed.

    ``transformer_gap`` (iterate: depth): |explicit transformer - recursion|.
    ``kaczmarz_gap``: |limit by a triangular solve - one pass of Kaczmarz, pair by pair|; kernels.
    ``nilpotent_gap`` (iterate: depth n): |recursion with step 1/L_ss at each pair s - limit| after
    at most n pairs, where the two are equal: I - L diag(L)^{-1} has a diagonal of zeros, and its
    n-th power vanishes on the first n pairs. (Equal L_ss, as on the unit sphere, give one step.)
    ``nilpotent_gap_relative``: the same divided by the largest |prediction| up to depth n, of which
    float64 keeps 16 digits; and ``truncated_gap`` after more than n pairs, where the two differ;
    kernels.

    All are maxima over positions and coordinates. Sander & Peyré 2024 (arXiv 2410.03011),
    section 4; all but the first are derived.
    """

    kind: Literal["ckd_agreement"] = Field(
        description="explicit transformer against recursion, depth limit against Kaczmarz"
    )
    dynamics: Dynamics = Field(description="the law of s_{t+1} = f(s_t)")
    length: int = Field(default=40, ge=2, le=1000, description="T, the number of pairs")
    attentions: Attentions
    step: float = Field(
        default=0.3,
        gt=0,
        description="eta of the transformer, in units of 1 / kappa (the largest of all pairs)",
    )
    depths: Depths = Field(default=(1, 2, 5, 10, 20, 40), description="numbers of layers compared")

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the gaps of every attention."""
        x, y = pairs_of(prompts_of(self.dynamics, names, self.seeds, self.length))
        seeds = np.arange(self.seeds)
        depths = np.array(self.depths)
        for attention in self.attentions:
            name = name_of(attention)
            constructed = {**labels, "method": name, "family": "constructed", "seed": 0}
            built, recursed = self._both(attention, x, y)
            yield make_rows(
                constructed,
                metric="transformer_gap",
                iterate=depths[:, None],
                value=_largest(built - recursed),
                n=1,
                seed=seeds,
            )
            if not is_kernel(attention):
                continue
            solved = {**constructed, "family": "solver"}
            limit = depth_limit_of(attention).predict(x, y)
            passed = kaczmarz_pass(kernel_of(attention, x.shape[-1]).gram(x, x), y)
            yield make_rows(
                solved,
                metric="kaczmarz_gap",
                iterate=0,
                value=_largest(limit[0] - passed),
                n=1,
                seed=seeds,
            )
            everything = tuple(range(1, self.depths[-1] + 1))
            nilpotent = descent(attention, 1.0, everything).predict(x, y)
            for metric, depth, value in _nilpotent_gaps(nilpotent, limit[0], self.depths):
                yield make_rows(solved, metric=metric, iterate=depth, value=value, n=1, seed=seeds)

    def _both(
        self,
        attention: Linear | Exponential | Softmax,
        x: Float[torch.Tensor, "seed time p"],
        y: Float[torch.Tensor, "seed time q"],
    ) -> tuple[Float[torch.Tensor, "depth seed time q"], Float[torch.Tensor, "depth seed time q"]]:
        """Return the predictions of the transformer and of the recursion, with one step for all."""
        kappa = 1.0
        if is_kernel(attention):
            kappa = kernel_of(attention, x.shape[-1]).diagonal(x).max().item()
        settings = {
            "kind": "causal_kernel_descent",
            "attention": attention,
            "step": self.step / kappa,
            "depths": self.depths,
        }
        transformer = Transformer.model_validate(settings)
        recursion = CausalKernelDescent.model_validate(settings)
        return transformer.predict(x, y), recursion.predict(x, y)


def kaczmarz_pass(
    gram: Float[torch.Tensor, "batch time time"], outputs: Float[torch.Tensor, "batch time q"]
) -> Float[torch.Tensor, "batch time q"]:
    """Return f_t(x_t) for f_{s+1} = f_s + (y_s - f_s(x_s)) k(., x_s) / k(x_s, x_s), f_1 = 0.

    One projection after the other on the values of f at all inputs; nothing is solved for.
    """
    values = torch.zeros_like(outputs)
    predictions = torch.zeros_like(outputs)
    for s in range(outputs.shape[1]):
        predictions[:, s] = values[:, s]
        coefficient = (outputs[:, s] - values[:, s]) / gram[:, s, s, None]
        values = values + gram[:, :, s, None] * coefficient[:, None]
    return predictions


def _largest(difference: Float[torch.Tensor, "*shape time q"]) -> Float[np.ndarray, "*shape"]:
    return difference.abs().amax((-2, -1)).numpy()


def _nilpotent_gaps(
    predictions: Float[torch.Tensor, "depth batch time q"],
    limit: Float[torch.Tensor, "batch time q"],
    depths: tuple[int, ...],
) -> Iterator[tuple[str, int, Float[np.ndarray, " batch"]]]:
    """Yield name, depth n and value of the gaps, from the predictions at the depths 1, 2, ….

    Position t is the prediction from t pairs: those up to n are exact, those beyond are not.
    """
    largest = np.maximum.accumulate(_largest(predictions))
    for depth in depths:
        difference = predictions[depth - 1] - limit
        within = _largest(difference[:, : depth + 1])
        yield "nilpotent_gap", depth, within
        yield "nilpotent_gap_relative", depth, within / largest[depth - 1]
        if depth + 1 < difference.shape[1]:
            yield "truncated_gap", depth, _largest(difference[:, depth + 1 :])

"""Hypergradients of the penalty of a prompt's ridge regression, by the depth of the transformer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.implicit import Problem, unrolled
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.studies.hypergradients.estimators import ESTIMATORS
from iclbench.tasks.regression.linear import LinearRegression


class InContext(Measurement):
    """The error of d loss / d log(penalty) from the weights after k layers, by k.

    The inner problem is the ridge regression of a prompt of n pairs,

        f(w, h) = (|X w - y|^2 + e^h |w|^2) / (2 n),

    and the outer loss the mean over prompts of the mean squared error on ``queries`` more pairs of
    each. Layer k + 1 of a looped transformer with linear attention on tokens (x_i, y_i, r_i), of
    one step size eta for all prompts, is

        r_i <- (1 - eta e^h / n) r_i + eta e^h / n y_i - eta / n sum_j <x_i, x_j> r_j,

    under which r_i = y_i - w_k^T x_i for the iterates w_k of gradient descent on f from 0; eta is 1
    over the largest eigenvalue of any prompt's Hessian. By depth k (``iterate``) and at the
    positions n (``position``), ``relative_error`` of the estimate, |Gamma - h'| / |h'|, of every
    estimator and of ``unrolled``, the derivative of the computed loss itself; and of ``inner`` the
    ``distance`` |w_k - w*| / |w*|, the root of the mean square over prompts.

    Source: the estimators of Ye et al. 2024 (arXiv 2402.16748), in context (derived).
    """

    kind: Literal["hypergradient_in_context"] = Field(
        description="error of hypergradients against the depth of a linear-attention transformer"
    )
    dim: int = Field(default=5, ge=1, le=256, description="d, dimension of the inputs")
    pairs: int = Field(default=15, ge=1, le=10_000, description="n, the pairs of a prompt")
    queries: int = Field(default=15, ge=1, le=10_000, description="pairs of the outer loss")
    noise: float = Field(default=0.5, ge=0, description="standard deviation of the labels' noise")
    log_penalty: float = Field(default=0.0, description="h")
    prompts: int = Field(default=64, ge=1, le=10_000, description="prompts of a seed")
    depths: Ascending[Annotated[int, Field(ge=0, le=10_000)]] = Field(
        default=(1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100),
        description="numbers of layers k, ascending",
    )

    @override
    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of every seed."""
        task = LinearRegression(kind="linear", dim=self.dim, noise=self.noise)
        y = torch.tensor(self.log_penalty, dtype=torch.float64)
        for seed in range(self.seeds):
            drawn = task.sample(stream(*names, seed), self.prompts, self.pairs + self.queries)
            inputs, outputs = (torch.from_numpy(part) for part in (drawn.inputs, drawn.outputs))
            data = (inputs, outputs[..., 0])
            step = 1 / float(torch.linalg.eigvalsh(self._hessian(inputs, y))[:, -1].max())
            solved = self._solutions(inputs, outputs[..., 0], y)
            exact = self._mean(lambda p, x: ESTIMATORS["vanilla"](p, x, y).value, data, solved)
            here = {**labels, "seed": seed}
            weights = self._layers(data, y, step)
            found: dict[str, list[float]] = {name: [] for name in (*ESTIMATORS, "unrolled")}
            distances = []
            for depth in self.depths:
                at = weights[depth]
                distances.append(float((at - solved).norm() / solved.norm()))
                for name, estimate in ESTIMATORS.items():
                    value = self._mean(lambda p, x, e=estimate: e(p, x, y).value, data, at)
                    found[name].append(float((value - exact).abs() / exact.abs()))
                value = self._mean(
                    lambda p, x, k=depth, s=step: unrolled(p, x, y, s, k).value, data, 0 * solved
                )
                found["unrolled"].append(float((value - exact).abs() / exact.abs()))
            same: dict[str, Any] = {"iterate": np.array(self.depths), "position": self.pairs}
            same["n"] = self.prompts
            for name, errors in found.items():
                own = {**here, "method": name, "family": "solver"}
                yield make_rows(own, metric="relative_error", value=errors, **same)
            own = {**here, "method": "inner", "family": "constructed"}
            yield make_rows(own, metric="distance", value=distances, **same)

    def _problem(self, inputs: torch.Tensor, outputs: torch.Tensor) -> Problem:
        """Return the problem of one prompt."""
        n = self.pairs

        def gradient(w: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
            return (inputs[:n].mT @ (inputs[:n] @ w - outputs[:n]) + h.exp() * w) / n

        return Problem(gradient, lambda w, _: (inputs[n:] @ w - outputs[n:]).square().mean())

    def _mean(
        self, estimate: Any, data: tuple[torch.Tensor, torch.Tensor], w: torch.Tensor
    ) -> Float[torch.Tensor, ""]:
        """Return the mean estimate over prompts: the outer loss is the mean of theirs."""
        return torch.func.vmap(lambda x, y, w: estimate(self._problem(x, y), w))(*data, w).mean()

    def _hessian(
        self, inputs: Float[torch.Tensor, "prompt all d"], h: Float[torch.Tensor, ""]
    ) -> Float[torch.Tensor, "prompt d d"]:
        seen = inputs[:, : self.pairs]
        identity = torch.eye(self.dim, dtype=inputs.dtype)
        return (seen.mT @ seen + h.exp() * identity) / self.pairs

    def _solutions(
        self,
        inputs: Float[torch.Tensor, "prompt all d"],
        outputs: Float[torch.Tensor, "prompt all"],
        h: Float[torch.Tensor, ""],
    ) -> Float[torch.Tensor, "prompt d"]:
        seen = inputs[:, : self.pairs]
        b = (seen.mT @ outputs[:, : self.pairs, None])[..., 0] / self.pairs
        return torch.linalg.solve(self._hessian(inputs, h), b)

    def _layers(
        self, data: tuple[torch.Tensor, torch.Tensor], h: torch.Tensor, step: float
    ) -> Float[torch.Tensor, "depth prompt d"]:
        """Return w_k of every prompt for all k up to the largest depth."""
        inputs, outputs = data
        hessian = self._hessian(inputs, h)
        seen = inputs[:, : self.pairs]
        b = (seen.mT @ outputs[:, : self.pairs, None]) / self.pairs
        weights = [torch.zeros_like(b)]
        for _ in range(self.depths[-1]):
            weights.append(weights[-1] - step * (hessian @ weights[-1] - b))
        return torch.stack(weights)[..., 0]

"""When to tune the penalty on the prompt pays: ridge regression, tuned and not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.kernels.named import inner_product_kernel
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.method import Ascending
from iclbench.records import make_rows
from iclbench.solvers.bilevel import Bilevel
from iclbench.solvers.cross_validated_ridge import CrossValidatedRidge
from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression


class Tuning(Measurement):
    """The error of ridge regression under penalties from the prompt, against the oracle's.

    y_i = <w, x_i> + sigma xi_i with w ~ N(0, I) and isotropic x; sigma is that of ``noise``, or
    log-uniform between two, a new one for every prompt. After t pairs (``position``):

    * ``oracle``: the penalty sigma^2 of the prompt, the Bayes predictor, as the leaderboard's
      ``bayes`` on linear regression with noise;
    * ``bilevel``: tuned on the prompt by hypergradients (``iclbench.solvers.bilevel``);
    * ``cross_validated``: of a grid of penalties the one with the least error, by leave-one-out in
      closed form, tested against scikit-learn's ``RidgeCV``
      (``iclbench.solvers.cross_validated_ridge``);
    * ``fixed_1e-1`` and so on: one penalty for all prompts.

    ``excess`` is the mean over prompts of (prediction - w^T x)^2 at a new input x, and ``error``
    that and the variance of the label's noise, which is the expected squared error on the label;
    ``excess_ratio`` and ``error_ratio`` are these over the oracle's on the same prompts.
    """

    kind: Literal["ridge_tuning"] = Field(
        description="ridge regression with tuned, cross-validated and fixed penalties"
    )
    dim: int = Field(default=5, ge=1, le=256, description="d, dimension of the inputs")
    noise: Annotated[float, Field(gt=0)] | tuple[float, float] = Field(
        description="standard deviation of the labels' noise, or the range it is drawn from"
    )
    positions: Ascending[Annotated[int, Field(ge=2, le=1000)]] = Field(
        default=(5, 10, 20, 30, 40), description="numbers of pairs t, ascending"
    )
    exponents: Ascending[int] = Field(
        default=(-2, -1, 0, 1), description="fixed penalties, as powers of ten, ascending"
    )
    prompts: int = Field(default=200, ge=2, le=10**6, description="prompts of a seed")
    start: float = Field(default=0.1, gt=0, description="bilevel: the penalty it starts from")
    steps: int = Field(default=20, ge=0, le=1000, description="bilevel: outer steps")

    @model_validator(mode="after")
    def _ranges(self) -> Tuning:
        if isinstance(self.noise, tuple) and not 0 < self.noise[0] <= self.noise[1]:
            raise ValueError(
                f"noise: {self.noise} is no range; give two numbers, ascending, above 0"
            )
        return self

    @override
    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of every seed."""
        positions = np.array(self.positions)
        for seed in range(self.seeds):
            rng = stream(*names, seed)
            x, y, w, sigma = self._draw(rng)
            truth = np.einsum("bti,bi->bt", x, w)[:, positions]
            excesses = {
                name: ((predicted - truth) ** 2).mean(0)
                for name, predicted in self._predictions(x, y, sigma).items()
            }
            noise = (sigma**2).mean()
            for name, excess in excesses.items():
                family = "reference" if name == "oracle" else "solver"
                own = {**labels, "seed": seed, "method": name, "family": family}
                best = excesses["oracle"]
                for metric, value, least in (
                    ("excess", excess, best),
                    ("error", excess + noise, best + noise),
                ):
                    same: dict[str, Any] = {"iterate": 0, "position": positions, "n": self.prompts}
                    yield make_rows(own, metric=metric, value=value, **same)
                    if name != "oracle":
                        yield make_rows(own, metric=f"{metric}_ratio", value=value / least, **same)

    def _draw(
        self, rng: np.random.Generator
    ) -> tuple[
        Float[np.ndarray, "prompt time d"],
        Float[np.ndarray, "prompt time"],
        Float[np.ndarray, "prompt d"],
        Float[np.ndarray, " prompt"],
    ]:
        low, high = self.noise if isinstance(self.noise, tuple) else (self.noise, self.noise)
        sigma = np.exp(rng.uniform(np.log(low), np.log(high), size=self.prompts))
        task = LinearRegression(kind="linear", dim=self.dim)
        drawn = task.sample(rng, self.prompts, self.positions[-1] + 1)
        noise = sigma[:, None] * rng.normal(size=drawn.outputs.shape[:2])
        return drawn.inputs, drawn.outputs[..., 0] + noise, drawn.truth["w"], sigma

    def _predictions(
        self,
        x: Float[np.ndarray, "prompt time d"],
        y: Float[np.ndarray, "prompt time"],
        sigma: Float[np.ndarray, " prompt"],
    ) -> dict[str, Float[np.ndarray, "prompt position"]]:
        """Return the predictions at x_t from the t pairs before, by method."""
        penalties = {"oracle": sigma**2}
        for exponent in self.exponents:
            penalties[f"fixed_1e{exponent}"] = np.full(len(sigma), 10.0**exponent)
        found = {
            name: [_ridge(x, y, t, penalty) for t in self.positions]
            for name, penalty in penalties.items()
        }
        found["bilevel"] = [_ridge(x, y, t, self._tuned(x, y, t)) for t in self.positions]
        found["cross_validated"] = [_cross_validated(x, y, t) for t in self.positions]
        return {name: np.stack(predicted, axis=1) for name, predicted in found.items()}

    def _tuned(
        self, x: Float[np.ndarray, "prompt time d"], y: Float[np.ndarray, "prompt time"], t: int
    ) -> Float[np.ndarray, " prompt"]:
        """Return the penalty tuned by hypergradients on the t pairs before."""
        bilevel = Bilevel(
            kind="bilevel",
            kernel=inner_product_kernel("linear", scale=1.0),
            penalty=self.start,
            steps=self.steps,
        )
        # Every prompt has a matrix of up to t^2 numbers: as many at a time as the cache holds.
        size = max(1, 2**20 // t**2)
        inputs = torch.from_numpy(x[:, : t + 1]).split(size)
        outputs = torch.from_numpy(y[:, : t + 1, None]).split(size)
        log_penalties = [
            bilevel.tune(*part, first=t).log_penalty[-1, :, 0]
            for part in zip(inputs, outputs, strict=True)
        ]
        return torch.cat(log_penalties).exp().numpy()


def _ridge(
    x: Float[np.ndarray, "prompt time d"],
    y: Float[np.ndarray, "prompt time"],
    t: int,
    penalty: Float[np.ndarray, " prompt"],
) -> Float[np.ndarray, " prompt"]:
    seen = x[:, :t]
    S = seen.mT @ seen + penalty[:, None, None] * np.eye(x.shape[-1])
    weights = np.linalg.solve(S, seen.mT @ y[:, :t, None])[..., 0]
    return (weights * x[:, t]).sum(-1)


def _cross_validated(
    x: Float[np.ndarray, "prompt time d"], y: Float[np.ndarray, "prompt time"], t: int
) -> Float[np.ndarray, " prompt"]:
    solver = CrossValidatedRidge(kind="cross_validated_ridge")
    fit = solver.fit(torch.from_numpy(x[:, :t]), torch.from_numpy(y[:, :t, None]))
    return _ridge(x, y, t, fit.penalty.numpy())

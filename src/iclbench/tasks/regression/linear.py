"""In-context linear regression: isotropic, ill-conditioned, noisy or sparse."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from iclbench.capabilities import Fact
from iclbench.tasks.draws import haar_matrices
from iclbench.tasks.family import Family
from iclbench.tasks.linear_posterior import linear_posterior_predictions
from iclbench.tasks.prompts import Prompts


class LinearRegression(Family):
    """y_t = <w, x_t> + noise xi_t with w ~ N(0, I), x_t ~ N(0, Sigma), xi_t ~ N(0, 1).

    Sigma = U diag(e) U^T with U Haar on O(d), drawn for every prompt; e is ``condition`` for the
    first floor(d/2) eigenvalues and 1 for the rest, both scaled to the trace d. At condition 1,
    Sigma = I. Uniform inputs have x_t ~ U([-a/2, a/2]^d) instead, of covariance a^2/12 I, with the
    ``width`` a. A sparse w keeps ``nonzeros`` of its coordinates, chosen uniformly.

    Drawn, in this order: w, the kept coordinates (sparse only), U (condition > 1 only), x, the
    noise (always, so that only the noise differs between noise levels).
    Truth: ``w`` (batch, d), and ``covariance`` (batch, d, d) where the condition is above 1.

    Sources: Garg et al. 2022 (arXiv 2208.01066) for the isotropic, noisy and sparse tasks; Fu et
    al. 2024 (arXiv 2310.17086) for the ill-conditioned one, whose text draws U for every sequence,
    as we do, its code once a batch; only its code scales the trace. Von Oswald et al. 2023
    (arXiv 2212.07677) for uniform inputs; their code has a = 1, its docstring says a = 2.
    """

    kind: Literal["linear"] = Field(description="y_t = <w, x_t> + noise, w ~ N(0, I)")
    dim: int = Field(ge=1, le=4096, description="d, dimension of the inputs")
    condition: float = Field(
        default=1.0,
        ge=1,
        le=1e8,
        description="condition number of the inputs' covariance: half its eigenvalues are this "
        "many times the others, and its trace is d",
    )
    inputs: Literal["normal", "uniform"] = Field(
        default="normal", description="the law of x_t: normal, or uniform on a cube around 0"
    )
    width: float | None = Field(
        default=None, gt=0, le=1000, description="a, the length of the cube's edges; uniform only"
    )
    noise: float = Field(default=0.0, ge=0, le=100, description="standard deviation of the labels")
    nonzeros: int | None = Field(
        default=None, ge=1, description="number of coordinates of w that are not 0; all if left out"
    )

    @model_validator(mode="after")
    def _consistent(self) -> LinearRegression:
        if self.nonzeros is not None and self.nonzeros >= self.dim:
            raise ValueError(
                f"nonzeros: {self.nonzeros} of dim {self.dim} coordinates is not sparse; give "
                "fewer, or leave nonzeros out"
            )
        if self.condition > 1 and self.dim == 1:
            raise ValueError(
                f"condition: {self.condition} needs at least two eigenvalues, but dim is 1; raise "
                "dim or leave condition out"
            )
        if (self.inputs == "uniform") != (self.width is not None):
            raise ValueError(
                f"inputs: {self.inputs} with width: {self.width}; a width belongs to uniform "
                "inputs, so give both or neither"
            )
        if self.inputs == "uniform" and self.condition > 1:
            raise ValueError(
                f"condition: {self.condition} is of normal inputs, but inputs is uniform; leave "
                "one of them out"
            )
        return self

    @property
    def input_dim(self) -> int:
        """The dimension d."""
        return self.dim

    @property
    def output_dim(self) -> int:
        """1."""
        return 1

    @property
    def facts(self) -> frozenset[Fact]:
        """Scalar outputs, without noise if ``noise`` is 0."""
        facts = frozenset[Fact]({"scalar outputs"})
        return facts | frozenset[Fact](() if self.noise else {"noise-free"})

    @property
    def output_power(self) -> float:
        """Dimension (or nonzeros) times the variance of a coordinate of x, plus noise^2.

        The variance is 1 of normal inputs (the trace of Sigma is d, its mean over U is I) and
        a^2 / 12 of uniform ones.
        """
        variance = 1.0 if self.width is None else self.width**2 / 12
        return (self.nonzeros or self.dim) * variance + self.noise**2

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw w, Sigma and the pairs of every prompt."""
        w = rng.standard_normal((batch, self.dim))
        if self.nonzeros is not None:
            ranks = rng.random((batch, self.dim)).argsort(-1)
            w = np.where(ranks < self.nonzeros, w, 0)
        truth = {"w": w}
        if self.condition > 1:
            large = np.arange(self.dim) < self.dim // 2
            e = np.where(large, self.condition, 1.0)
            e *= self.dim / e.sum()
            U = haar_matrices(rng, batch, self.dim)
            truth["covariance"] = (U * e) @ U.mT
            inputs = rng.standard_normal((batch, length, self.dim)) @ (U * np.sqrt(e)).mT
        elif self.width is not None:
            inputs = self.width * (rng.random((batch, length, self.dim)) - 0.5)
        else:
            inputs = rng.standard_normal((batch, length, self.dim))
        clean = inputs @ w[..., None]
        outputs = clean + self.noise * rng.standard_normal(clean.shape)
        return Prompts(inputs=inputs, outputs=outputs, clean=clean, truth=truth)

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"] | None:
        """Return <posterior mean of w, x_t>: least squares of minimum norm, or ridge regression
        with penalty noise^2, whatever the law of x. None for sparse w, whose posterior is not
        Gaussian.
        """
        if self.nonzeros is not None:
            return None
        return linear_posterior_predictions(prompts.inputs, prompts.outputs, self.noise)

"""In-context regression of functions drawn from a Gaussian process."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, model_validator

from iclbench.capabilities import Fact
from iclbench.kernels.exponential import ExponentialKernel
from iclbench.kernels.linear import LinearKernel
from iclbench.kernels.sums import KernelOrSum, KernelSum, KernelTerm
from iclbench.streams import stream
from iclbench.tasks.draws import haar_matrices, unit_vectors
from iclbench.tasks.family import Family
from iclbench.tasks.prompts import Prompts

_KNOWN = 1e-12
"""Share of the prior variance below which a label is taken to be determined by those before."""

_LARGEST_EXPONENT = 50.0


class GaussianProcess(Family):
    """Labels of a Gaussian process over ellipsoidal inputs, without noise.

    Inputs are x_t = Sigma^{1/2} xi_t with xi_t iid uniform on the unit sphere and
    Sigma = U diag(spectrum) U^T, U Haar on O(d): one U a ``covariance_seed``, shared by training
    and evaluation.

    Labels are drawn one after another: given the labels before t, y_t has the conditional law of
    the last coordinate of N(0, K_+(x_1, …, x_t)). K is the Gram matrix of the kernel, and K_+ has
    its eigenvectors and the absolute values of its eigenvalues. Where K is positive semi-definite
    (linear, exponential) that is the joint law N(0, K) of all labels. The relu kernel is not: K_+
    of t points is not a block of K_+ of more, and a joint N(0, K_+(x_1, …, x_T)) would make the law
    of a prefix depend on the inputs after it. Drawn in turn, a prefix has the same law whatever the
    length of the prompt, and at every position the Bayes loss is that of the paper's prompt with as
    many pairs. (At T = 15 the labels' covariance then differs from K_+ of all 15 points by 9 % in
    Frobenius norm.)

    With ``whitened`` the covariance of two labels is kappa(xi_s, xi_t), so that turning all xi
    together changes nothing: the symmetry under which Theorem 1 of the paper has its stationary
    points. With kappa(x_s, x_t) it holds for Sigma = I alone.

    Drawn, in this order: xi, then one normal number a label. Truth: none.
    Source: Cheng et al. 2024 (arXiv 2312.06528), experiments; the law in turn is derived.
    """

    kind: Literal["gaussian_process"] = Field(description="labels of a Gaussian process, no noise")
    kernel: KernelOrSum = Field(
        description="covariance of two labels as a function of their inputs: a kernel, or a sum of "
        "kernels of some coordinates each"
    )
    spectrum: tuple[float, ...] = Field(
        default=(1.0, 1.0, 0.25, 2.25, 1.0),
        min_length=1,
        max_length=4096,
        description="eigenvalues of Sigma, all positive; their number is the dimension d",
    )
    covariance_seed: int = Field(
        default=0, ge=0, description="seed of the eigenbasis U, the same for every prompt"
    )
    whitened: bool = Field(
        default=False, description="whether the kernel is of Sigma^{-1/2} x, in place of x"
    )

    @model_validator(mode="after")
    def _consistent(self) -> GaussianProcess:
        if min(self.spectrum) <= 0:
            raise ValueError(f"spectrum: {min(self.spectrum)} is not a positive eigenvalue")
        for term in self._terms:
            numbers = term.coordinates or (1.0,)
            if term.coordinates is not None and len(numbers) != self.input_dim:
                raise ValueError(
                    f"coordinates: {len(numbers)} numbers for inputs of dimension "
                    f"{self.input_dim}; give one a coordinate"
                )
            square = 1.0 if self.whitened else max(self.spectrum)
            square *= max(number**2 for number in numbers)
            if not isinstance(term.kernel, ExponentialKernel):
                farthest = np.zeros((1, self.input_dim))
                farthest[0, 0] = np.sqrt(square)
                with np.errstate(over="ignore"):
                    variance = float(term.kernel.diagonal(farthest)[0])
                if not variance <= np.exp(_LARGEST_EXPONENT):
                    raise ValueError(
                        f"kernel: {term.kernel.kind!r} gives labels of variance {variance:g}; make "
                        f"it at most {np.exp(_LARGEST_EXPONENT):.0e}, as by a smaller scale"
                    )
                continue
            largest = term.kernel.scale * square
            if largest > _LARGEST_EXPONENT:
                raise ValueError(
                    f"kernel.scale: {term.kernel.scale} gives labels of variance up to "
                    f"exp({largest:g}); give at most {_LARGEST_EXPONENT / square:g}"
                )
        return self

    @property
    def _terms(self) -> tuple[KernelTerm, ...]:
        """The terms of the kernel, which is one itself if it is no sum."""
        if isinstance(self.kernel, KernelSum):
            return self.kernel.terms
        return (KernelTerm(kernel=self.kernel),)

    @property
    def input_dim(self) -> int:
        """The dimension d, the length of the spectrum."""
        return len(self.spectrum)

    @property
    def output_dim(self) -> int:
        """1."""
        return 1

    @property
    def facts(self) -> frozenset[Fact]:
        """Scalar outputs without noise; inputs on the unit sphere if Sigma = I."""
        on_sphere = set(self.spectrum) == {1.0}
        facts = frozenset[Fact]({"scalar outputs", "noise-free"})
        return facts | frozenset[Fact]({"unit-norm inputs"} if on_sphere else ())

    @property
    def output_power(self) -> float | None:
        """Scale × mean of |x|^2 (of |xi|^2) for the linear kernel; for others no closed form."""
        if not isinstance(self.kernel, LinearKernel):
            return None
        return float(self.kernel.scale * (1 if self.whitened else np.mean(self.spectrum)))

    @property
    def covariance_root(self) -> Float[np.ndarray, "d d"]:
        """Sigma^{1/2}, symmetric: the same for every prompt of this family."""
        rng = stream("gaussian_process", "covariance", self.covariance_seed)
        U = haar_matrices(rng, 1, self.input_dim)[0]
        return (U * np.sqrt(self.spectrum)) @ U.T

    def gram(self, inputs: Float[np.ndarray, "batch time p"]) -> Float[np.ndarray, "batch time t"]:
        """Return K, the kernel at every pair of inputs of a prompt."""
        if self.whitened:
            inputs = inputs @ np.linalg.inv(self.covariance_root)
        return self.kernel.gram(inputs, inputs)

    def conditionals(
        self, inputs: Float[np.ndarray, "batch time p"]
    ) -> tuple[Float[np.ndarray, "batch time t"], Float[np.ndarray, "batch time"]]:
        """Return the conditional law of each label given those before it.

        The mean of y_t is sum_{s<t} weights_ts y_s and its variance, whose mean over prompts is the
        Bayes loss at t, is variances_t.

        Returns:
            The weights, strictly lower triangular, and the variances.
        """
        gram = self.gram(inputs)
        return (_conditionals if self.kernel.is_definite else _indefinite_conditionals)(gram)

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw the inputs and the labels of every prompt."""
        inputs = unit_vectors(rng, batch, length, self.input_dim) @ self.covariance_root
        weights, variances = self.conditionals(inputs)
        outputs = np.sqrt(variances) * rng.standard_normal((batch, length))
        for t in range(length):
            outputs[:, t] += np.vecdot(weights[:, t, :t], outputs[:, :t])
        outputs = outputs[..., None]
        return Prompts(inputs=inputs, outputs=outputs, clean=outputs)

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"]:
        """Return the conditional mean of each label given those before it."""
        weights, _ = self.conditionals(prompts.inputs)
        return weights @ prompts.outputs


def _conditionals(
    gram: Float[np.ndarray, "batch time t"],
) -> tuple[Float[np.ndarray, "batch time t"], Float[np.ndarray, "batch time"]]:
    """Return weights and variances under N(0, K): one Cholesky factor of K serves every prefix.

    With y = L e, e ~ N(0, I), the mean of y_t is the part of row t of L before its diagonal, and
    L_tt^2 is the variance. A label that those before it determine has a zero column in L: the
    factor exists for singular K too, which LAPACK's does not.
    """
    batch, length, _ = gram.shape
    schur, factor, variances = gram.copy(), np.zeros_like(gram), np.zeros((batch, length))
    for t in range(length):
        pivot = schur[:, t, t]
        variances[:, t] = np.where(pivot > _KNOWN * gram[:, t, t], pivot, 0)
        scale = np.sqrt(np.where(variances[:, t] > 0, variances[:, t], np.inf))[:, None]
        factor[:, t + 1 :, t] = schur[:, t + 1 :, t] / scale
        rest = factor[:, t + 1 :, t]
        schur[:, t + 1 :, t + 1 :] -= rest[:, :, None] * rest[:, None, :]
    diagonal = np.sqrt(np.where(variances > 0, variances, 1))
    return factor @ np.linalg.inv(factor + diagonal[:, :, None] * np.eye(length)), variances


def _indefinite_conditionals(
    gram: Float[np.ndarray, "batch time t"],
) -> tuple[Float[np.ndarray, "batch time t"], Float[np.ndarray, "batch time"]]:
    """Return weights and variances of the last label under N(0, K_+) of each prefix in turn.

    With P = K_+^{-1} the variance is 1 / P_tt and the weights are -P_ts / P_tt.
    """
    batch, length, _ = gram.shape
    weights, variances = np.zeros_like(gram), np.zeros((batch, length))
    for t in range(length):
        eigenvalues, V = np.linalg.eigh(gram[:, : t + 1, : t + 1])
        spread = np.abs(eigenvalues)
        spread = np.maximum(spread, np.finfo(float).eps * spread.max(-1, keepdims=True))
        precision = np.matvec(V, V[:, -1] / spread)
        variance = 1 / precision[:, -1]
        weights[:, t, :t] = -precision[:, :-1] * variance[:, None]
        variances[:, t] = np.where(variance > _KNOWN * gram[:, t, t], variance, 0)
    return weights, variances

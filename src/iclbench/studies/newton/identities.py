"""What is exact of Newton's iteration for the inverse, and which printed formulas are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.models.constructed.newton import Newton as Transformer
from iclbench.records import make_rows
from iclbench.solvers.newton import Newton
from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression

EXPANSIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "derived": ((2, -1), (4, -6, 4, -1)),
    "printed": ((2, -4), (4, -12, 16, -16)),
}
"""The coefficients c of M_k = sum_j c_j alpha^{j+1} S^{2j+1} for k = 1 and 2, and as printed."""


class Identities(Measurement):
    """Newton's iteration M_{k+1} = 2 M_k - M_k S M_k, M_0 = alpha S, against closed forms.

    S = X^T X of ``pairs`` inputs, a seed a prompt; all in float64. Rows by iteration (``iterate``):

    * ``inverse_gap``: max |(I - M_k S) - (I - alpha S^2)^{2^k}|, alpha = 2/||S S^T||_F, the left
      side by the recursion, the right one from the eigenvalues of S;
    * ``expansion_gap``, k = 1 and 2: the distance of M_k from its expansion in powers of S relative
      to M_k in the Frobenius norm, with the coefficients ``derived`` and ``printed``;
    * ``top_gain``: u^T M_k S u for the eigenvector u of the largest eigenvalue, with alpha =
      2/||S S^T||_F (``frobenius``) and with the alpha that the paper prints, 2/||S S^T||_2
      (``spectral``); 1 is convergence;
    * ``layer_gap``: max |M_k x - tokens after k layers| relative to the largest |M_k x|, of a layer
      of two heads of (1/n) ReLU attention with a doubling MLP, with V_2 = -V_1 (``layers``) and
      V_2 = +V_1 (``layers_plus``); and ``prediction_gap``: max |prediction of the explicit
      transformer - that of Newton's method| over the positions (``transformer``).

    Source: Fu et al. 2024 (arXiv 2310.17086), section 3, appendix on M_k and Theorem 5.1. The
    closed forms are derived; the coefficients, the alpha and the sign of V_2 that are printed do
    not give Newton's iteration.
    """

    kind: Literal["newton_identities"] = Field(
        description="Newton's iteration against its closed forms and against explicit layers"
    )
    dim: int = Field(default=20, ge=1, le=256, description="d, dimension of the inputs")
    pairs: int = Field(default=40, ge=1, le=1000, description="n, pairs in a prompt")
    iterations: int = Field(default=14, ge=1, le=20, description="k up to which M_k is compared")
    gains: int = Field(default=25, ge=1, le=40, description="k up to which gains are followed")
    layers: int = Field(default=6, ge=1, le=14, description="layers of the transformers")

    @override
    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the gaps and gains of every prompt."""
        task = LinearRegression(kind="linear", dim=self.dim)
        for seed in range(self.seeds):
            drawn = task.sample(stream(*names, "prompt", seed), 1, self.pairs + 1)
            x = drawn.inputs[0, : self.pairs]
            for metric, method, family, iterates, values in [
                *self._of_inverses(x.T @ x),
                *self._of_layers(x),
                self._of_transformer(drawn.inputs, drawn.outputs),
            ]:
                about = {**labels, "method": method, "family": family, "seed": seed}
                yield make_rows(about, metric=metric, iterate=iterates, value=values, n=1)

    def _of_inverses(self, S: Float[np.ndarray, "d d"]) -> Iterator[tuple]:
        values, vectors = np.linalg.eigh(S)
        alphas = {
            "frobenius": float(2 / np.linalg.norm(S @ S)),
            "spectral": float(2 / values[-1] ** 2),
        }
        M = list(inverses(S, alphas["frobenius"], self.iterations))
        k = np.arange(self.iterations + 1)
        left = 1 - alphas["frobenius"] * values**2
        gaps = [
            np.abs(np.eye(len(S)) - M[i] @ S - (vectors * left ** (2.0**i)) @ vectors.T).max()
            for i in k
        ]
        yield "inverse_gap", "newton", "solver", k, gaps
        for name, expansions in EXPANSIONS.items():
            expanded = [polynomial(S, alphas["frobenius"], each) for each in expansions]
            gaps = [
                np.linalg.norm(each - M[i]) / np.linalg.norm(M[i])
                for i, each in enumerate(expanded, 1)
                if i <= self.iterations
            ]
            yield "expansion_gap", name, "reference", np.arange(1, len(gaps) + 1), gaps
        top = vectors[:, -1]
        for name, alpha in alphas.items():
            gains = [top @ each @ S @ top for each in inverses(S, alpha, self.gains)]
            yield "top_gain", name, "solver", np.arange(self.gains + 1), gains

    def _of_layers(self, x: Float[np.ndarray, "n d"]) -> Iterator[tuple]:
        S = x.T @ x
        alpha = float(2 / np.linalg.norm(S @ S))
        wanted = [x @ M for M in inverses(S, alpha, self.layers)]
        for method, sign in (("layers", -1), ("layers_plus", 1)):
            tokens, gaps = alpha * x @ S, []
            for depth in range(1, self.layers + 1):
                tokens = layer(tokens, x, sign)
                gap = np.abs(tokens - wanted[depth]).max() / np.abs(wanted[depth]).max()
                gaps.append(gap)
            yield "layer_gap", method, "constructed", np.arange(1, self.layers + 1), gaps

    def _of_transformer(
        self, inputs: Float[np.ndarray, "1 time d"], outputs: Float[np.ndarray, "1 time 1"]
    ) -> tuple:
        depths = tuple(range(1, self.layers + 1))
        x, y = torch.from_numpy(inputs), torch.from_numpy(outputs)
        built = Transformer(kind="newton", depths=depths).predict(x, y)
        solved = Newton(kind="newton", iterations=depths).predict(x, y)
        gaps = (built - solved).abs().amax((1, 2, 3)).numpy()
        return "prediction_gap", "transformer", "constructed", np.array(depths), gaps


def inverses(
    S: Float[np.ndarray, "d d"], alpha: float, iterations: int
) -> Iterator[Float[np.ndarray, "d d"]]:
    """Yield M_0 = alpha S and ``iterations`` times M <- 2 M - M S M."""
    M = alpha * S
    yield M
    for _ in range(iterations):
        M = 2 * M - M @ S @ M
        yield M


def polynomial(
    S: Float[np.ndarray, "d d"], alpha: float, coefficients: tuple[int, ...]
) -> Float[np.ndarray, "d d"]:
    """Return sum_j c_j alpha^{j+1} S^{2j+1}."""
    term, total = alpha * S, np.zeros_like(S)
    for coefficient in coefficients:
        total += coefficient * term
        term = alpha * S @ term @ S
    return total


def layer(
    tokens: Float[np.ndarray, "n d"], x: Float[np.ndarray, "n d"], sign: int
) -> Float[np.ndarray, "n d"]:
    """Return the upper halves of tokens (h_t; x_t) after one layer of Theorem 5.1.

    Scores are z = -(n/2) x_t^T h_j; the heads add (1/n) sum_j (ReLU(z) + sign ReLU(-z)) h_j, and
    the MLP doubles. With sign = -1 that is 2 (h - 1/2 sum_j x_t^T h_j h_j), Newton's step.
    """
    n = len(x)
    scores = -(n / 2) * x @ tokens.T
    heads = (np.maximum(scores, 0) + sign * np.maximum(-scores, 0)) @ tokens / n
    return 2 * (tokens + heads)

"""Kernel ridge regression on every prefix; without a penalty, the mean of a Gaussian process."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.kernels.choice import AnyKernel
from iclbench.lazy import torch
from iclbench.method import Method

TOLERANCE = 1e-12
"""The fraction of its prior variance below which what is left of a variance is rounding error."""


class KernelRidge(Method):
    """f_t(x) = k_t(x)^T (K_t + penalty I)^{-1} Y_t on the pairs before t.

    This is the posterior mean of a Gaussian process with covariance kappa and noise of variance
    ``penalty``; with penalty 0 it interpolates the pairs seen. It is the limit of functional
    gradient descent with depth (Cheng et al. 2024, arXiv 2312.06528, Proposition 2). Works in
    float64, whatever the inputs.

    Where K_t is singular, a pair whose input leaves less than 1e-12 of its variance unexplained by
    the earlier ones teaches nothing and is passed over: of two pairs at one input the first holds.
    (With noise and no penalty no interpolant exists; ``least_squares`` is then the linear fit.)

    The relu kernel is indefinite. In the place of such a kernel stands the covariance of the points
    before t and x_t together with its eigenvalues replaced by their moduli, as in the paper's
    labels (derived).
    """

    kind: Literal["kernel_ridge"] = Field(
        description="kernel ridge regression, or the mean of a Gaussian process, on the pairs seen"
    )
    kernel: AnyKernel = Field(description="the kernel, a covariance of function values")
    penalty: float = Field(
        ge=0, le=1e12, description="weight of the squared norm, or variance of the noise"
    )

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        x, y = inputs.double(), outputs.double()
        solve = factorise if self.kernel.is_definite else moduli
        return solve(self.kernel.gram(x, x), y, self.penalty)[None].to(inputs.dtype)


def factorise(
    gram: Float[torch.Tensor, "batch time time"],
    outputs: Float[torch.Tensor, "batch time q"],
    penalty: float | Float[torch.Tensor, "batch 1 1"],
) -> Float[torch.Tensor, "batch time q"]:
    """Return K_t,<t (K_<t + penalty I)^{-1} y_<t at every t, for K positive semi-definite.

    With K + penalty I = L L^T and L e = y, it is the sum of L_ts e_s over s < t: one factorisation
    of the whole prompt serves all of its prefixes.
    """
    K = gram + penalty * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    L = torch.zeros_like(K)
    innovations = torch.zeros_like(outputs)
    predictions = torch.zeros_like(outputs)
    for t in range(K.shape[-1]):
        predictions[:, t] = (L[:, t, None, :t] @ innovations[:, :t]).squeeze(1)
        column = K[:, t:, t] - (L[:, t:, :t] @ L[:, t, :t, None]).squeeze(-1)
        variance = column[:, :1]
        unexplained = torch.where(variance <= TOLERANCE * K[:, t, t, None], torch.inf, variance)
        root = unexplained.rsqrt()
        L[:, t:, t] = column * root
        innovations[:, t] = (outputs[:, t] - predictions[:, t]) * root
    return predictions


def cholesky(
    matrices: Float[torch.Tensor, "*batch n n"],
) -> tuple[Float[torch.Tensor, "*batch n n"], Bool[torch.Tensor, "*batch"]]:
    """Return the factor L, and whether L L^T has no pivot that ``factorise`` would pass over."""
    factor, info = torch.linalg.cholesky_ex(matrices)
    pivots = factor.diagonal(dim1=-2, dim2=-1).square()
    known = pivots > TOLERANCE * matrices.diagonal(dim1=-2, dim2=-1)
    return factor, (info == 0) & known.all(-1)


def moduli(
    gram: Float[torch.Tensor, "batch time time"],
    outputs: Float[torch.Tensor, "batch time q"],
    penalty: float,
) -> Float[torch.Tensor, "batch time q"]:
    """Return k_t^T (K_t + penalty I)^+ y_<t at every t, for a symmetric K that may be indefinite.

    K_t and k_t are blocks of K_+ = V |Lambda| V^T, where V Lambda V^T are the rows and columns up
    to t of ``gram``.
    """
    predictions = [torch.zeros_like(outputs[:, :1])]
    for t in range(1, gram.shape[-1]):
        K = gram[:, : t + 1, : t + 1]
        # The decomposition refuses numbers that are not finite: such a prompt is nan from there on.
        finite = K.isfinite().all(dim=-1, keepdim=True).all(dim=-2, keepdim=True)
        values, vectors = torch.linalg.eigh(torch.where(finite, K, 0.0))
        positive = (vectors * values.abs().unsqueeze(-2)) @ vectors.mT
        seen = positive[:, :t, :t] + penalty * torch.eye(t, dtype=gram.dtype, device=gram.device)
        inverse = torch.linalg.pinv(seen, rtol=TOLERANCE, hermitian=True)
        weights = torch.where(finite, inverse @ outputs[:, :t], torch.nan)
        predictions.append(positive[:, t:, :t] @ weights)
    return torch.cat(predictions, dim=1)

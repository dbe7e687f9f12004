"""The posterior mean of a linear map, prefix by prefix, by a square-root Kalman filter."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_SEEN = 1e-16
"""|residual|^2 / |x|^2 below which a noise-free input is taken to lie in the span of those seen."""


def linear_posterior_predictions(
    inputs: Float[np.ndarray, "batch time p"],
    outputs: Float[np.ndarray, "batch time q"],
    noise: float = 0.0,
) -> Float[np.ndarray, "batch time q"]:
    """Predict y_t by the posterior mean of W given the pairs before t, for every t.

    The model is y_t = W x_t + noise xi_t with the entries of W iid N(0, 1), so that the mean is
    ridge regression with penalty noise^2; without noise it is the least-squares solution of minimum
    norm, at every prefix, also where the inputs seen are linearly dependent.

    The filter carries a square root S of the posterior covariance of a row of W (Potter's form,
    derived): with phi = S^T x and alpha = |phi|^2 + noise^2,
    W += (y - W x)(S phi)^T / alpha and S -= S phi phi^T / (alpha + noise sqrt(alpha)).
    It costs p^2 + p q a position and prompt, and never squares a condition number.
    """
    batch, length, dim = inputs.shape
    predictions = np.empty_like(outputs)
    weights = np.zeros((batch, outputs.shape[-1], dim))
    root = np.broadcast_to(np.eye(dim), (batch, dim, dim)).copy()
    for t in range(length):
        x, y = inputs[:, t], outputs[:, t]
        predictions[:, t] = np.einsum("bqp,bp->bq", weights, x)
        phi = np.einsum("bpk,bp->bk", root, x)
        alpha = (phi**2).sum(-1) + noise**2
        informative = (alpha > _SEEN * (x**2).sum(-1))[:, None, None]
        alpha = np.where(informative, alpha[:, None, None], 1)
        spread = np.where(informative, np.einsum("bpk,bk->bp", root, phi)[:, None, :], 0)
        weights += (y - predictions[:, t])[..., None] * spread / alpha
        root -= spread.mT * phi[:, None, :] / (alpha + noise * np.sqrt(alpha))
    return predictions

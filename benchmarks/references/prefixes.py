"""Kernel methods that solve every prefix anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

Gram = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Returns the matrix kappa(u_i, v_j) of two lists of points."""


def linear(u: Float[np.ndarray, "n p"], v: Float[np.ndarray, "m p"]) -> Float[np.ndarray, "n m"]:
    """Return <u_i, v_j>."""
    return u @ v.T


def exponential(
    u: Float[np.ndarray, "n p"], v: Float[np.ndarray, "m p"]
) -> Float[np.ndarray, "n m"]:
    """Return exp <u_i, v_j>."""
    return np.exp(u @ v.T)


def kaczmarz(
    kernel: Gram,
    inputs: Float[np.ndarray, "batch time p"],
    outputs: Float[np.ndarray, "batch time q"],
) -> Float[np.ndarray, "1 batch time q"]:
    """Return f_t(x_t) after one pass over the pairs before t, pair by pair, at every t."""
    predictions = np.zeros_like(outputs)
    for prompt, (x, y) in enumerate(zip(inputs, outputs, strict=True)):
        for t in range(1, len(x)):
            K = kernel(x[: t + 1], x[:t])
            coefficients = np.zeros_like(y[:t])
            for s in range(t):
                residual = y[s] - K[s, :s] @ coefficients[:s]
                coefficients[s] = residual / K[s, s]
            predictions[prompt, t] = K[t] @ coefficients
    return predictions[None]


def kernel_ridge(
    kernel: Gram,
    penalty: float,
    inputs: Float[np.ndarray, "batch time p"],
    outputs: Float[np.ndarray, "batch time q"],
) -> Float[np.ndarray, "1 batch time q"]:
    """Return k_t^T (K_t + penalty I)^{-1} Y_t by one solve at every t."""
    predictions = np.zeros_like(outputs)
    for prompt, (x, y) in enumerate(zip(inputs, outputs, strict=True)):
        for t in range(1, len(x)):
            K = kernel(x[: t + 1], x[:t])
            weights = np.linalg.solve(K[:t] + penalty * np.eye(t), y[:t])
            predictions[prompt, t] = K[t] @ weights
    return predictions[None]


def causal_descent_limit(
    kernel: Gram,
    inputs: Float[np.ndarray, "batch time p"],
    outputs: Float[np.ndarray, "batch time q"],
) -> Float[np.ndarray, "1 batch time q"]:
    """Return the predictions of infinitely many layers, by one solve with tril(K_t) at every t."""
    predictions = np.zeros_like(outputs)
    for prompt, (x, y) in enumerate(zip(inputs, outputs, strict=True)):
        for t in range(1, len(x)):
            K = kernel(x[: t + 1], x[:t])
            predictions[prompt, t] = K[t] @ np.linalg.solve(np.tril(K[:t]), y[:t])
    return predictions[None]


def causal_descent(
    kernel: Gram,
    step: float,
    depths: Sequence[int],
    inputs: Float[np.ndarray, "batch time p"],
    outputs: Float[np.ndarray, "batch time q"],
) -> Float[np.ndarray, "depth batch time q"]:
    """Return the predictions after these depths, layer by layer, for every prefix anew.

    R <- R - tril(K) D R with D = step / kappa(x_s, x_s); depth n predicts k_t^T D (R_0 + … +
    R_{n-1}).
    """
    predictions = np.zeros((len(depths), *outputs.shape))
    for prompt, (x, y) in enumerate(zip(inputs, outputs, strict=True)):
        for t in range(1, len(x)):
            K = kernel(x[: t + 1], x[:t])
            L, scale = np.tril(K[:t]), step / np.diag(K)[:, None]
            residual, coefficients = y[:t], np.zeros_like(y[:t])
            for depth in range(1, depths[-1] + 1):
                update = scale * residual
                coefficients = coefficients + update
                residual = residual - L @ update
                if depth in depths:
                    predictions[depths.index(depth), prompt, t] = K[t] @ coefficients
    return predictions

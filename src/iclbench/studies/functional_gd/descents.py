"""Gradient descent in function space and in weights, as plain recursions and closed forms."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from iclbench.kernels.named import inner_product_kernel
from iclbench.kernels.sums import KernelSum, KernelTerm


def composite(dim: int) -> KernelSum:
    """Return the composite kernel of Fig. 3: linear in some coordinates, exponential in the rest.

    <G_1 u, G_1 v> / 2 + exp(<G_2 u, G_2 v> / 2) / 2, with G_1 the first two of five coordinates.
    """
    first = np.arange(dim) < round(0.4 * dim)
    parts = (("linear", 1.0, first), ("exponential", 0.5, ~first))
    return KernelSum(
        kind="sum",
        terms=tuple(
            KernelTerm(
                kernel=inner_product_kernel(kind, scale),
                weight=0.5,
                coordinates=tuple(map(float, seen)),
            )
            for kind, scale, seen in parts
        ),
    )


def similarities(
    kind: str, inputs: Float[np.ndarray, "prompt time p"]
) -> Float[np.ndarray, "prompt time time"]:
    """Return h_ij = h(x_i, x_j), with i the key: the last input is no key of softmax's sum."""
    products = inputs @ inputs.mT
    match kind:
        case "linear":
            return products
        case "relu":
            return np.where(products > 0, products, 0)
        case "exponential":
            return np.exp(products)
        case _:
            weights = np.exp(products)
            return weights / weights[:, :-1].sum(1, keepdims=True)


def descend(
    weights: Float[np.ndarray, "prompt time time"],
    y: Float[np.ndarray, "prompt time"],
    steps: Float[np.ndarray, " layer"],
) -> Float[np.ndarray, "layer prompt time"]:
    """Return f_l at all inputs, f_{l+1} = f_l - eta_l sum_{i<=n} (f_l(x_i) - y_i) h(x_i, .).

    f_l = sum_i c_i h(x_i, .) is kept as its coefficients; the last pair is no part of the sum.
    """
    context = weights[:, :-1]
    c = np.zeros_like(y[:, :-1])
    found = []
    for eta in steps:
        values = np.einsum("bi,bij->bj", c, context)
        c = c - eta * (values[:, :-1] - y[:, :-1])
        found.append(np.einsum("bi,bij->bj", c, context))
    return np.stack(found)


def descend_in_weights(
    x: Float[np.ndarray, "prompt time p"],
    y: Float[np.ndarray, "prompt time"],
    steps: Float[np.ndarray, " layer"],
) -> Float[np.ndarray, "layer prompt"]:
    """Return w_l^T x_{n+1}, w_{l+1} = w_l - eta_l X^T (X w_l - y), X and y without the last."""
    X, targets = x[:, :-1], y[:, :-1]
    w = np.zeros_like(x[:, 0])
    found = []
    for eta in steps:
        residuals = np.einsum("bip,bp->bi", X, w) - targets
        w = w - eta * np.einsum("bip,bi->bp", X, residuals)
        found.append(np.einsum("bp,bp->b", x[:, -1], w))
    return np.stack(found)


def closed_form(
    gram: Float[np.ndarray, "prompt time time"],
    y: Float[np.ndarray, "prompt time"],
    steps: Float[np.ndarray, " layer"],
) -> Float[np.ndarray, "layer prompt"]:
    """Return k^T [I - prod_{m<=l} (I - eta_m K)] K^+ y after every l, by the eigenvalues of K.

    K is the context's block of the Gram matrix, k the column of the last input. Eigenvalues that
    are zero but for rounding have no part: k is orthogonal to their eigenvectors.
    """
    eigenvalues, V = np.linalg.eigh(gram[:, :-1, :-1])
    known = np.einsum("bik,bi->bk", V, y[:, :-1])
    read = np.einsum("bik,bi->bk", V, gram[:, :-1, -1])
    tiny = 1e-10 * np.abs(eigenvalues).max(-1, keepdims=True)
    inverse = np.where(np.abs(eigenvalues) > tiny, 1 / eigenvalues, 0)
    left = np.cumprod(1 - steps[:, None, None] * eigenvalues, axis=0)
    return np.einsum("bk,lbk,bk->lb", read * inverse, 1 - left, known)

"""Population losses of one linear layer of many heads with positional weights, and gradients.

The layer (Sander et al. 2024, arXiv 2402.05787, tokens s_t without augmentation) predicts s_{T+1}
from s_1 … s_T by

    sum_t p_t sum_h <s_{T-1}, A_h s_t> B_h s_t,    A_h = diag(a_h), B_h = diag(b_h),

where s_t = lambda^{t-1} coordinate by coordinate, so that only C = sum_h b_h a_h^T = B^T A and the
weights p enter. The losses are exact expectations over lambda, derived here; the authors' code for
the unitary law counts the term in |C|^2 p_{T-1}^2 twice (see ``loss_as_coded``).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Complex, Float

from iclbench.studies.icar.spectra import Law


def loss(
    law: Law, C: Float[np.ndarray, "*batch d d"], P: Float[np.ndarray, "*batch rows length"]
) -> Float[np.ndarray, "*batch"]:
    """Return E |prediction - s_{T+1}|^2, summed over the prompt lengths T of the rows of P.

    With r = C 1, n2 = |C|_F^2 and sums over t != T-1, a row p of P costs, under the unitary law,

        |r|^2 p_{T-1}^2 + n2 sum p_t^2 - 2 p_T tr C + d,

    and under the orthogonal law, with c_i = C_{i,i'}, i' the other of the pair of i, in addition

        2 <r, c> p_{T-1} sum p_t + |c|^2 ((sum p_t)^2 - sum p_t^2).

    Args:
        law: The law of lambda.
        C: B^T A.
        P: The positional weights of the last lengths, T = length - rows + 1 to length, a row each;
            entries beyond p_T (above the diagonal that ends in the lower right corner) count as 0.
    """
    return _parts(law, C, np.tril(P, P.shape[-1] - P.shape[-2]))[0]


def loss_and_gradients(
    law: Law,
    A: Float[np.ndarray, "*batch heads d"],
    B: Float[np.ndarray, "*batch heads d"],
    P: Float[np.ndarray, "*batch rows length"],
) -> tuple[Float[np.ndarray, "*batch"], np.ndarray, np.ndarray, np.ndarray]:
    """Return the loss and its gradients in A, B and P.

    Args:
        law: The law of lambda.
        A: The diagonals a_h as rows.
        B: The diagonals b_h as rows.
        P: As in ``loss``, with zeros beyond p_T, where the gradient is zero too.
    """
    C = B.mT @ A
    value, by_C, by_P = _parts(law, C, P)
    return value, B @ by_C, A @ by_C.mT, by_P


def loss_as_coded(C: Float[np.ndarray, "d d"], P: Float[np.ndarray, "rows length"]) -> float:
    """Return the unitary loss as the authors' code has it: |C|^2 p_{T-1}^2 is added once more.

    The term vanishes at the minimisers, which are the same.
    """
    rows, length = P.shape
    query = np.diagonal(P, length - rows - 1)
    return float(loss("unitary", C, P) + np.sum(C**2) * np.sum(query**2))


def prediction(
    C: Float[np.ndarray, "d d"],
    p: Float[np.ndarray, " length"],
    eigenvalues: Complex[np.ndarray, "batch d"],
) -> Complex[np.ndarray, "batch d"]:
    """Return what the layer predicts for s_{T+1}, T = length: the definition, term by term."""
    predicted = np.zeros_like(eigenvalues)
    # lambda^{t-1} and lambda^{t-T+1} at t = 1, and from there on power by power.
    state, turned = np.ones_like(eigenvalues), eigenvalues ** (2 - len(p))
    for weight in p:
        predicted += weight * state * (turned @ C.T)
        state, turned = state * eigenvalues, turned * eigenvalues
    return predicted


@cache
def _support(rows: int, length: int) -> np.ndarray:
    return np.tri(rows, length, length - rows)


def _parts(law: Law, C: np.ndarray, P: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the loss and its gradients in C and P, for P without entries beyond p_T."""
    rows, length = P.shape[-2:]
    dim = C.shape[-1]
    first = length - rows - 1  # the column of p_{T-1} in the first row
    query = np.einsum("...ii->...i", P[..., first : first + rows])
    last = np.einsum("...ii->...i", P[..., first + 1 :])
    r = C.sum(-1)
    rr, n2, trace = (r * r).sum(-1), (C * C).sum((-2, -1)), np.einsum("...ii->...", C)
    qq = (query * query).sum(-1)
    others = (P * P).sum((-2, -1)) - qq
    value = rr * qq + n2 * others - 2 * trace * last.sum(-1) + rows * dim

    by_C = 2 * qq[..., None, None] * r[..., None] + 2 * others[..., None, None] * C
    np.einsum("...ii->...i", by_C)[...] -= 2 * last.sum(-1)[..., None]
    if law == "unitary":
        by_P = 2 * n2[..., None, None] * P
        by_query = 2 * rr[..., None] * query
    else:
        partner = np.arange(dim) ^ 1
        c = C[..., np.arange(dim), partner]
        rc, cc = (r * c).sum(-1), (c * c).sum(-1)
        total = P.sum(-1) - query
        cross, square = (query * total).sum(-1), (total * total).sum(-1) - others
        value = value + 2 * rc * cross + cc * square
        by_C += 2 * cross[..., None, None] * c[..., None]
        by_C[..., np.arange(dim), partner] += 2 * cross[..., None] * r + 2 * square[..., None] * c
        by_P = 2 * (n2 - cc)[..., None, None] * P
        by_P += 2 * (rc[..., None] * query + cc[..., None] * total)[..., None]
        by_P *= _support(rows, length)
        by_query = 2 * rr[..., None] * query + 2 * rc[..., None] * total
    np.einsum("...ii->...i", by_P[..., first : first + rows])[...] = by_query
    np.einsum("...ii->...i", by_P[..., first + 1 :])[...] -= 2 * trace[..., None]
    return np.asarray(value), by_C, by_P

"""Least squares on every prefix in the eigenbasis of its S_t, where iterations are scalar."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from jaxtyping import Float
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.prefixes import before, eigen

BUDGET = 2**24
"""How many numbers the matrices S_t of the prompts solved together may hold."""


class Eigenbases(NamedTuple):
    """S_t = V diag(l) V^T of every prefix, in float64; l ascends, and is 0 within rounding of it.

    In float64, whatever the inputs: S has the square of the condition number of the inputs.
    """

    values: Float[torch.Tensor, "batch time p"]
    vectors: Float[torch.Tensor, "batch time p p"]


def eigenbases(inputs: Float[torch.Tensor, "batch time p"]) -> Eigenbases:
    """Return the eigenbases of S_t = sum_{s<t} x_s x_s^T."""
    columns = inputs.double().unsqueeze(-1)
    return Eigenbases(*eigen(before(columns * columns.mT)))


def spectrum(
    bases: Eigenbases,
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
) -> tuple[
    Float[torch.Tensor, "batch time p"],
    Float[torch.Tensor, "batch time p"],
    Float[torch.Tensor, "batch time p q"],
]:
    """Return the normal equations S_t w = b_t of every prefix in the eigenbasis of S_t.

    Returns:
        The eigenvalues l, the query V^T x_t and the right-hand side V^T b_t (zero where l is). A
        solution w_i in this basis predicts sum_i (V^T x_t)_i w_i.
    """
    values, vectors = bases
    columns, y = inputs.double().unsqueeze(-1), outputs.double()
    b = before(columns * y.unsqueeze(-2))
    query = (vectors.mT @ columns).squeeze(-1)
    return values, query, (vectors.mT @ b).where((values != 0).unsqueeze(-1), 0.0)


class Spectral(Method):
    """A solver that works in eigenbases, which several on the same prompts can share."""

    @abstractmethod
    def predict_in(
        self,
        bases: Eigenbases,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        """Predict as ``predict`` does, with the eigenbases of these inputs."""

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        chunk = max(1, BUDGET // (inputs.shape[1] * inputs.shape[2] ** 2))
        prompts = zip(inputs.split(chunk), outputs.split(chunk), strict=True)
        return torch.cat([self.predict_in(eigenbases(x), x, y) for x, y in prompts], dim=1)


def approach(
    modes: Float[torch.Tensor, "batch time p q"],
    contraction: Float[torch.Tensor, "batch time p"],
    powers: Iterable[int],
) -> Float[torch.Tensor, "iterate batch time q"]:
    """Return sum_i (1 - (1 - u_i)^n) modes_i for every power n >= 0.

    Where an iteration shrinks the error along eigenvector i by 1 - u_i and ``modes`` holds the
    contributions to the prediction of the solution that it tends to, this is what it predicts after
    n steps from zero. Small u_i keep their relative accuracy.
    """
    u = contraction
    rate = torch.where(u < 1, (-u).log1p(), (u - 1).log())
    predictions = []
    for n in powers:
        if n == 0:
            predictions.append(torch.zeros_like(modes[:, :, 0]))
            continue
        gain = -(rate * float(n)).expm1()
        if n % 2:
            gain = torch.where(u > 1, 2 - gain, gain)
        predictions.append(torch.einsum("btp,btpq->btq", gain, modes))
    return torch.stack(predictions)

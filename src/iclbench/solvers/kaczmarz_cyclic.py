"""Kaczmarz going round and round over the pairs of every prefix."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.prefix_iterations import Iterations
from iclbench.solvers.prefixes import reciprocal

NUMBERS = 2**18
"""How many numbers the matrices of the prefixes iterated together hold: about a cache."""


class CyclicKaczmarz(Method):
    """Sweeps over the pairs s = 0 … t-1 of each prefix, in this order, from W = 0.

    W <- W + (y_s - W x_s) x_s^T / |x_s|^2. Iterates are sweeps; the first is ``kaczmarz``, and on
    the coefficients of the x_s a sweep is one of Gauss-Seidel on the Gram matrix. It tends to the
    minimum-norm solution where the pairs are consistent. Pairs with x_s = 0 are passed over.
    """

    kind: Literal["kaczmarz_cyclic"] = Field(
        description="sweeps over the pairs of each prefix in the order of time"
    )
    sweeps: Iterations = Field(
        default=(1, 2, 4, 8, 16, 32, 64), description="numbers of sweeps reported"
    )

    @property
    @override
    def iterates(self) -> tuple[int, ...]:
        return self.sweeps

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        size = max(1, NUMBERS // (inputs.shape[1] * inputs.shape[2] ** 2))
        parts = zip(inputs.split(size), outputs.split(size), strict=True)
        return torch.cat([self._iterate(*part) for part in parts], dim=1)

    def _iterate(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        moves, first = _sweeps(inputs, outputs)
        queries = inputs.unsqueeze(-2)
        weights = torch.zeros_like(first)
        predictions = []
        for sweep in range(self.sweeps[-1] + 1):
            if sweep in self.sweeps:
                predictions.append((queries @ weights).squeeze(-2))
            weights = first + moves @ weights
        return torch.stack(predictions)


def _sweeps(
    inputs: Float[torch.Tensor, "batch time p"], outputs: Float[torch.Tensor, "batch time q"]
) -> tuple[Float[torch.Tensor, "batch time p p"], Float[torch.Tensor, "batch time p q"]]:
    """Return A_t and B_t of every prefix, of which a sweep makes A_t w + B_t from w = W^T.

    The pair of the prefix's end comes last: A_{t+1} = (I - x_t x_t^T / |x_t|^2) A_t, and B_t is
    where a sweep from zero ends.
    """
    p, q = inputs.shape[-1], outputs.shape[-1]
    rows = inputs.unsqueeze(-2)
    steps = (inputs * reciprocal(inputs.square().sum(-1, keepdim=True))).unsqueeze(-1)
    targets = torch.nn.functional.pad(outputs, (p, 0)).unsqueeze(-2)
    sweep = torch.eye(p, p + q, dtype=inputs.dtype, device=inputs.device).expand(
        len(inputs), -1, -1
    )
    sweeps = [sweep]
    for t in range(inputs.shape[1] - 1):
        sweep = sweep + steps[:, t] * (targets[:, t] - rows[:, t] @ sweep)
        sweeps.append(sweep)
    moves, first = torch.stack(sweeps, dim=1).split((p, q), dim=-1)
    return moves.contiguous(), first.contiguous()

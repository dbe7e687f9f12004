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
        # With prompts innermost and prefixes outermost a row updates all prefixes that hold it
        # in contiguous memory.
        x, y = (pairs.permute(1, 2, 0).contiguous() for pairs in (inputs, outputs))
        step = x * reciprocal(x.square().sum(1, keepdim=True))
        weights = x.new_zeros(x.shape[0], y.shape[1], *x.shape[1:])
        predictions = []
        for sweep in range(self.sweeps[-1] + 1):
            if sweep in self.sweeps:
                predictions.append((weights * x.unsqueeze(1)).sum(2).permute(2, 0, 1))
            if sweep < self.sweeps[-1]:
                for s in range(len(x) - 1):
                    holding = weights[s + 1 :]
                    residual = y[s] - (holding * x[s]).sum(2)
                    holding.addcmul_(residual.unsqueeze(2), step[s])
        return torch.stack(predictions)

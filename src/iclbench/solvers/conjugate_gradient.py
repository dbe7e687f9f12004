"""Conjugate gradients on the normal equations of every prefix."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.solvers.prefix_iterations import Iterations
from iclbench.solvers.prefix_spectrum import Eigenbases, Spectral, spectrum
from iclbench.solvers.prefixes import reciprocal


class ConjugateGradient(Spectral):
    """Conjugate gradients (Hestenes & Stiefel 1952) on S w = X^T y from w = 0, output by output.

    Iterate n minimises |y - X w|^2 over span{b, S b, …, S^{n-1} b}, b = X^T y, and is the
    minimum-norm least squares solution from as many iterations on as S has distinct nonzero
    eigenvalues (within rounding). The recursion runs in the eigenbasis of S, where the null space
    cannot creep in; an output whose residual has fallen to rounding stays as it is.
    """

    kind: Literal["conjugate_gradient"] = Field(
        description="conjugate gradients on the normal equations of the pairs before t"
    )
    iterations: Iterations = Field(
        default=tuple(range(1, 21)), description="numbers of iterations reported"
    )

    @property
    @override
    def iterates(self) -> tuple[int, ...]:
        return self.iterations

    @override
    def predict_in(
        self,
        bases: Eigenbases,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        values, query, target = spectrum(bases, inputs, outputs)
        values = values.unsqueeze(-1)
        weights = torch.zeros_like(target)
        residual = direction = target
        power = residual.square().sum(-2, keepdim=True)
        rounding = power * torch.finfo(power.dtype).eps ** 2
        predictions = []
        for n in range(self.iterations[-1] + 1):
            if n in self.iterations:
                predictions.append(torch.einsum("btp,btpq->btq", query, weights))
            curvature = (values * direction.square()).sum(-2, keepdim=True)
            step = (power * reciprocal(curvature)).where(power > rounding, 0.0)
            weights = weights + step * direction
            residual = residual - step * values * direction
            previous, power = power, residual.square().sum(-2, keepdim=True)
            direction = residual + power * reciprocal(previous) * direction
        return torch.stack(predictions).to(inputs.dtype)

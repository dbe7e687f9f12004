"""Newton's iteration for the inverse of S on every prefix, at all iterations in closed form."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import AfterValidator, Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import ascending
from iclbench.solvers.prefix_spectrum import Eigenbases, Spectral, approach, spectrum
from iclbench.solvers.prefixes import reciprocal


class Newton(Spectral):
    """M_0 = alpha S, M_{k+1} = 2 M_k - M_k S M_k, weights M_k X^T y, S = X^T X of the prefix.

    M_k S = I - (I - alpha S^2)^{2^k}: along an eigenvector of S with eigenvalue l, iteration k has
    reached the fraction 1 - (1 - alpha l^2)^{2^k} of the minimum-norm least squares solution. This
    form stays exact where the recursion does not: in the null space of S (t < p) rounding errors of
    the recursion double in every iteration.

    Fu et al. 2024 (arXiv 2310.17086), section 3. On the scale: iterations converge for
    0 < alpha < 2 / l_max^2. The paper prints 2 / ||S S^T||_2, its very border, where the direction
    of l_max is lost from the first iteration on; its figures are those of 2 / ||S S^T||_F (derived)
    and its code has half of that, one iteration later. While the inputs seen span one direction
    (t = 1) the two norms agree, and 2 / ||S S^T||_F predicts 0 there as well (derived). Works in
    float64, whatever the inputs.
    """

    kind: Literal["newton"] = Field(
        description="Newton's iteration (Schulz) for the inverse of S, from alpha S"
    )
    initial_scale: Literal["frobenius", "code", "spectral"] | Annotated[float, Field(gt=0)] = Field(
        default="frobenius",
        description="alpha: frobenius is 2/||S S^T||_F, code 1/||S S^T||_F, spectral 2/||S S^T||_2 "
        "(does not converge), or a number",
    )
    regularisation: float = Field(
        default=0.0, ge=0, description="lambda: S + lambda I takes the place of S"
    )
    iterations: Annotated[
        tuple[Annotated[int, Field(ge=0, le=100)], ...],
        Field(min_length=1),
        AfterValidator(ascending),
    ] = Field(default=tuple(range(1, 24)), description="numbers of updates reported")

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
        values = values + self.regularisation
        modes = (query * reciprocal(values)).unsqueeze(-1) * target
        predictions = approach(modes, self.contraction(values), (2**k for k in self.iterations))
        return predictions.to(inputs.dtype)

    def contraction(
        self, values: Float[torch.Tensor, "batch time p"]
    ) -> Float[torch.Tensor, "batch time p"]:
        """Return alpha l^2 for the eigenvalues l of S_t, ascending."""
        squares = values.square()
        match self.initial_scale:
            case "frobenius" | "code":
                largest = squares.norm(dim=-1, keepdim=True)
            case "spectral":
                largest = squares[..., -1:]
            case _:
                return self.initial_scale * squares
        # As a ratio first, so that at the border alpha l^2 = 2 to the last bit.
        return (1 if self.initial_scale == "code" else 2) * (squares / largest).where(
            largest > 0, 0.0
        )

"""Ridge regression on every prefix."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.prefixes import moments


class Ridge(Method):
    """w_t = (S_t + penalty I)^{-1} X_t^T Y_t, with S_t = X_t^T X_t of the pairs before t, unscaled.

    The Bayes predictor where w ~ N(0, I) and the noise has variance ``penalty``. One Cholesky
    factorisation a prefix, in float64 whatever the inputs; relative error about
    2e-16 |S_t| / penalty. The dual form is ``kernel_ridge`` with the linear kernel.
    """

    kind: Literal["ridge"] = Field(description="ridge regression on the pairs seen")
    penalty: float = Field(
        gt=0, le=1e12, description="weight of |w|^2 against the sum of squared residuals"
    )

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        x, y = inputs.double(), outputs.double()
        S, b = moments(x, y)
        S.diagonal(dim1=-2, dim2=-1).add_(self.penalty)
        factor, info = torch.linalg.cholesky_ex(S)
        weights = torch.cholesky_solve(b, factor)
        weights = torch.where((info == 0)[..., None, None], weights, torch.nan)
        return (x.unsqueeze(-2) @ weights).squeeze(-2)[None].to(inputs.dtype)

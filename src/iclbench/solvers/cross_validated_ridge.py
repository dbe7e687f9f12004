"""Ridge regression that chooses its penalty on every prefix by leave-one-out cross-validation."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Ascending, Method

GRID = tuple(10.0 ** (-4 + step / 3) for step in range(22))
"""Penalties from 1e-4 to 1e3, three a decade."""

TIE = 1e-12
"""Relative difference of scores up to which they count as equal."""

BUDGET = 2**17
"""How many leave-one-out errors are held at a time."""


class Fit(NamedTuple):
    """Ridge regression under the penalty chosen, one a prompt; NaN where a pair is not finite.

    Attributes:
        penalty: The penalty of the least score.
        weights: w, which predicts <w, x>.
        scores: The mean squared leave-one-out error under every penalty of the grid.
    """

    penalty: Float[torch.Tensor, " batch"]
    weights: Float[torch.Tensor, "batch p q"]
    scores: Float[torch.Tensor, "batch penalty"]


class CrossValidatedRidge(Method):
    """w_t = (S_t + lambda_t I)^{-1} X_t^T Y_t, with lambda_t of a grid by the pairs before t.

    S_t = X_t^T X_t, unscaled as in ``ridge``. The score of a penalty is the mean, over the pairs
    before t and all outputs, of the squared error on a pair of the fit to the others, which is

        e_i / (1 - h_ii),  e = Y_t - H Y_t,  H = X_t (S_t + lambda I)^{-1} X_t^T.

    Where scores are equal the least penalty is taken, as by scikit-learn's ``RidgeCV`` without an
    intercept; here within 1e-12, so that rounding does not decide. After one pair all are equal, as
    the fit to no pair predicts 0 under any penalty. Before the first pair the prediction is 0.

    With X_t = U diag(s) V^T, of the s_j > 0, one decomposition a prefix serves all penalties:

        1 - h_ii = r_i + sum_j U_ij^2 lambda / (s_j^2 + lambda),  r_i = 1 - sum_j U_ij^2 >= 0,
        e_i = (Y_t - U U^T Y_t)_i + sum_j U_ij lambda / (s_j^2 + lambda) (U^T Y_t)_j.

    No term of 1 - h_ii is negative, and r_i, with the first term of e_i, is 0 where it is within
    rounding of it (x_i is then independent of the other inputs). So however small 1 - h_ii is, its
    relative error is about 1e-16 s_1 / sqrt(lambda), and with r_i > 0 at most about 1e-16 / r_i.

    Works in float64, whatever the inputs. To fit ``RidgeCV`` to each prefix of each prompt takes
    tens of times as long; the tests compare the two. A prompt is NaN from its first pair on that is
    not finite.

    Source of the closed form: Rifkin & Lippert 2007, Notes on Regularized Least Squares
    (MIT-CSAIL-TR-2007-025).
    """

    kind: Literal["cross_validated_ridge"] = Field(
        description="ridge regression under the penalty with the least leave-one-out error"
    )
    penalties: Ascending[Annotated[float, Field(gt=0, le=1e12)]] = Field(
        default=GRID, description="penalties to choose from, ascending"
    )

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        x, y = inputs.double(), outputs.double()
        predictions = torch.zeros_like(y)
        for t in range(1, x.shape[1]):
            weights = self.fit(x[:, :t], y[:, :t]).weights
            predictions[:, t] = (x[:, t, None] @ weights).squeeze(1)
        return predictions[None].to(inputs.dtype)

    def fit(
        self,
        inputs: Float[torch.Tensor, "batch pairs p"],
        outputs: Float[torch.Tensor, "batch pairs q"],
    ) -> Fit:
        """Return the fit to all pairs, of which there is at least one, for every prompt."""
        chunk = max(1, BUDGET // (outputs[0].numel() * len(self.penalties)))
        prompts = zip(inputs.double().split(chunk), outputs.double().split(chunk), strict=True)
        parts = [self._fit(x, y) for x, y in prompts]
        return Fit(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _fit(
        self, x: Float[torch.Tensor, "batch pairs p"], y: Float[torch.Tensor, "batch pairs q"]
    ) -> Fit:
        # The decomposition refuses numbers that are not finite: such a prompt is nan.
        known = (x.isfinite().all(-1) & y.isfinite().all(-1)).all(-1)[:, None]
        U, s, Vt = torch.linalg.svd(x.where(known[..., None], 0.0), full_matrices=False)
        rounding = max(x.shape[1:]) * torch.finfo(x.dtype).eps
        U = U.where((s > rounding * s[:, :1])[:, None], 0.0)
        target = U.mT @ y
        penalties = x.new_tensor(self.penalties)
        kept = penalties / (s.square()[..., None] + penalties)

        unexplained = 1 - U.square().sum(-1, keepdim=True)
        some = unexplained > 8 * rounding
        left = unexplained.where(some, 0.0) + U.square() @ kept
        shrunk = U @ (target[..., None] * kept[:, :, None]).flatten(2)
        errors = (y - U @ target).where(some, 0.0)[..., None] + shrunk.unflatten(
            2, (y.shape[-1], len(penalties))
        )
        scores = (errors / left[:, :, None]).square().mean((1, 2))

        best = (scores <= scores.amin(-1, keepdim=True) * (1 + TIE)).int().argmax(-1)
        penalty = penalties[best, None]
        weights = Vt.mT @ ((s / (s.square() + penalty))[..., None] * target)
        return Fit(
            penalty.where(known, torch.nan).squeeze(-1),
            weights.where(known[..., None], torch.nan),
            scores.where(known, torch.nan),
        )

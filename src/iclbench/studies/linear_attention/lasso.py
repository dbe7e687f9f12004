"""The Lasso on every prefix."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import override

from iclbench.studies.linear_attention.estimators import Estimated, Estimator


class Lasso(Estimated):
    """w_t minimises |X w - Y|^2 / (2 t) + alpha |w|_1 on the t pairs seen; no intercept.

    Coordinate descent of scikit-learn from w = 0, until the duality gap of t times the objective
    is at most ``tolerance`` |Y|^2, or after ``sweeps``; it then warns that it has not converged.

    Source: a baseline of Garg et al. 2022 (arXiv 2208.01066), whose code has this scale of alpha
    and alpha in {1, 0.1, 0.01, 0.001, 0.0001}.
    """

    kind: Literal["lasso"] = Field(description="least squares with a penalty on the sum of |w_j|")
    alpha: float = Field(gt=0, le=1e6, description="weight of |w|_1 against half the mean square")
    sweeps: int = Field(
        default=10**7, ge=1, le=10**8, description="sweeps over coordinates at most"
    )
    tolerance: float = Field(
        default=1e-8, gt=0, le=1, description="duality gap, over |Y|^2, at which descent ends"
    )

    @override
    def estimator(self) -> Estimator:
        from sklearn.linear_model import Lasso as Descent

        return Descent(
            alpha=self.alpha, fit_intercept=False, max_iter=self.sweeps, tol=self.tolerance
        )

"""Estimators of scikit-learn as baselines, fitted anew to every prefix."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.studies.linear_attention.fitted import Fitted


@runtime_checkable
class Estimator(Protocol):
    """What is asked of an estimator of scikit-learn."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit the labels y of the rows of X."""
        ...

    def predict(self, X: Any) -> Any:
        """Predict the labels of the rows of X."""
        ...


class Estimated(Fitted):
    """A new estimator for every prompt, and for every coordinate of its outputs.

    Scikit-learn is loaded at the first fit: settings are read without it. It does not check the
    estimators' parameters, which the settings have bounded.
    """

    @abstractmethod
    def estimator(self) -> Estimator:
        """Return an estimator with these settings that has seen nothing."""

    @override
    def fit(
        self,
        inputs: Float[torch.Tensor, "batch seen p"],
        outputs: Float[torch.Tensor, "batch seen q"],
        queries: Float[torch.Tensor, "batch p"],
    ) -> Float[torch.Tensor, "batch q"]:
        from sklearn import config_context

        x, y, asked = inputs.numpy(), outputs.numpy(), queries.numpy()
        found = np.empty_like(y[:, 0])
        with config_context(skip_parameter_validation=True):
            for prompt, column in np.ndindex(*found.shape):
                fitted = self.estimator().fit(x[prompt], y[prompt, :, column])
                found[prompt, column] = fitted.predict(asked[prompt, None])[0]
        return torch.from_numpy(found)

"""Baselines that are fitted anew to every prefix, one problem a prompt."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method


class Fitted(Method):
    """A method that fits the pairs seen at t, and can be asked at some t alone, as fits are slow.

    It predicts 0 before the first pair. Works in float64, whatever the inputs.
    """

    @abstractmethod
    def fit(
        self,
        inputs: Float[torch.Tensor, "batch seen p"],
        outputs: Float[torch.Tensor, "batch seen q"],
        queries: Float[torch.Tensor, "batch p"],
    ) -> Float[torch.Tensor, "batch q"]:
        """Fit the pairs of every prompt, at least one, and predict its query's label."""

    def predict_at(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
        positions: Sequence[int],
    ) -> Float[torch.Tensor, "batch position q"]:
        """Predict y_t from the pairs before t and x_t at these t alone."""
        x, y = inputs.double(), outputs.double()
        found = [
            self.fit(x[:, :t], y[:, :t], x[:, t]) if t else torch.zeros_like(y[:, 0])
            for t in positions
        ]
        return torch.stack(found, dim=1).to(inputs.dtype)

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        return self.predict_at(inputs, outputs, range(inputs.shape[1]))[None]

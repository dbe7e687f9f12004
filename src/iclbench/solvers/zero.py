"""The predictor that all others must beat."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field

from iclbench.lazy import torch
from iclbench.method import Method


class Zero(Method):
    """Predict 0 everywhere."""

    kind: Literal["zero"] = Field(description="predict 0 everywhere")

    @property
    def iterates(self) -> tuple[int, ...]:
        """There are none."""
        return (0,)

    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        """Predict 0 everywhere."""
        return inputs.new_zeros(1, *outputs.shape)

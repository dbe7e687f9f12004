"""The predictor that all others must beat."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method


class Zero(Method):
    """Predict 0 everywhere."""

    kind: Literal["zero"] = Field(description="predict 0 everywhere")

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        return inputs.new_zeros(1, *outputs.shape)

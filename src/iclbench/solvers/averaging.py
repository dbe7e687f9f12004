"""The average of x y: least squares for those who take S for the identity."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method


class Averaging(Method):
    """Predict <w, x_t> with w = 1/t sum_{s<t} x_s y_s^T, the mean over the t pairs seen.

    A baseline of Garg et al. 2022 (arXiv 2208.01066).
    """

    kind: Literal["averaging"] = Field(description="weights are the mean of x y over the pairs")

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        seen = torch.arange(inputs.shape[1], dtype=inputs.dtype, device=inputs.device)
        sums = (inputs @ inputs.mT).tril(-1) @ outputs
        return (sums / seen.clamp_min(1).unsqueeze(-1)).unsqueeze(0)

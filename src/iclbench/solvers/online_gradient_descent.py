"""Gradient descent on one pair after the other, in the order of time."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.gradient_descent import initial_weights
from iclbench.solvers.prefixes import reciprocal


class OnlineGradientDescent(Method):
    """One step a pair: W <- W + eta_s (y_s - W x_s) x_s^T (least mean squares).

    With eta_s = 1/|x_s|^2 it is Kaczmarz in the order of time. Fu et al. 2024 (arXiv 2310.17086)
    compare with it as an algorithm that forgets.
    """

    kind: Literal["online_gradient_descent"] = Field(
        description="one gradient step on each pair in the order of time"
    )
    step: Annotated[float, Field(gt=0)] | Literal["normalised"] = Field(
        default="normalised",
        description="eta, the same for every pair, or normalised: 1/|x_s|^2 (0 for x_s = 0)",
    )
    start: Literal["zero", "uniform"] = Field(
        default="zero",
        description="W_0: zero, or drawn from U[0, 1] / sqrt(p), the same for every prompt",
    )
    seed: int = Field(default=0, ge=0, description="of the stream that draws a uniform start")

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        weights = inputs.new_zeros(len(inputs), inputs.shape[-1], outputs.shape[-1])
        if self.start == "uniform":
            weights += initial_weights(self.kind, self.seed, inputs, outputs.shape[-1])
        step = (
            inputs * reciprocal(inputs.square().sum(-1, keepdim=True))
            if self.step == "normalised"
            else inputs * self.step
        )
        predictions = []
        for t in range(inputs.shape[1]):
            prediction = (inputs[:, t, None] @ weights).squeeze(1)
            weights = weights + step[:, t, :, None] * (outputs[:, t] - prediction).unsqueeze(1)
            predictions.append(prediction)
        return torch.stack(predictions, dim=1).unsqueeze(0)

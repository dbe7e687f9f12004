"""One layer of recurrent attention on (x; y) tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.attention.delta import Delta
from iclbench.attention.gated_linear import GatedLinear
from iclbench.attention.mesa import Mesa
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.models.constructed.layers import blocks


class Recurrent(Method):
    """o_t = S_{t-1} x_t, the memory of the pairs before t read at x_t.

    Tokens are (x_t; y_t), W_Q = W_K = [I, 0], W_V = [0, I], and the memory is read before it takes
    in the token's own pair. The delta rule with steps beta_t = 1 / |x_t|^2 is one Kaczmarz pass,
    the mesa layer is ridge regression, and the gated layer is a step of gradient descent that
    forgets, S_t = alpha S_{t-1} + beta_t y_t x_t^T.
    """

    kind: Literal["recurrent"] = Field(description="one layer of recurrent attention")
    attention: Annotated[Delta | GatedLinear | Mesa, Field(discriminator="kind")] = Field(
        description="the recurrent attention"
    )
    step: float = Field(default=1.0, gt=0, description="beta; mesa has none")
    normalised: bool = Field(
        default=False, description="beta_t = step / |x_t|^2 in place of step; mesa has none"
    )
    forgetting: float = Field(
        default=1.0, gt=0, le=1, description="alpha, of gated_linear attention alone"
    )

    @model_validator(mode="after")
    def _applies(self) -> Recurrent:
        kind = self.attention.kind
        if kind == "mesa" and (self.step != 1 or self.normalised):
            raise ValueError(
                f"step {self.step}, normalised {self.normalised}: mesa attention solves for its "
                "memory and takes no steps; leave both out"
            )
        if kind != "gated_linear" and self.forgetting != 1:
            raise ValueError(
                f"forgetting {self.forgetting}: {kind} attention does not forget; leave it out, "
                "or take gated_linear"
            )
        return self

    @property
    @override
    def iterates(self) -> tuple[int, ...]:
        return (1,)

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        tokens = torch.cat((inputs, outputs), dim=-1)
        read = blocks(tokens, x=inputs.shape[-1], y=outputs.shape[-1])
        query = key = tokens @ read["x"].mT
        value = tokens @ read["y"].mT
        gates = None
        match self.attention.kind:
            case "delta":
                gates = self._steps(inputs)
            case "gated_linear":
                value = self._steps(inputs) * value
                gates = torch.full_like(inputs[..., :1], self.forgetting)
        return self.attention.attend(query, key, value, gates, diagonal=False).unsqueeze(0)

    def _steps(
        self, inputs: Float[torch.Tensor, "batch time p"]
    ) -> Float[torch.Tensor, "batch time 1"]:
        if not self.normalised:
            return torch.full_like(inputs[..., :1], self.step)
        squares = inputs.square().sum(-1, keepdim=True)
        return torch.where(squares > 0, self.step / squares, 0)

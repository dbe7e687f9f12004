"""Causal kernel descent by two heads of causal attention."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.models.constructed.depths import DEPTHS, Depths, read_at
from iclbench.models.constructed.layers import Head, attend_causally, blocks

BLIND = -1e4
"""The score of the first token, whose pair does not exist: its weight exp(-1e4) is zero."""


class CausalKernelDescent(Method):
    """Every layer moves all residuals and estimates at once, along causal attention.

    u_t <- u_t + eta sum_{s<=t} a(x_t, x_{s-1}) r_s,
    r_t <- r_t - eta sum_{s<=t} a(x_{t-1}, x_{s-1}) r_s, from u_t = 0 and r_t = y_{t-1}.

    Tokens are (x_{t-1}, flag | x_t, 1 | r_t | u_t): token t holds the pair before t and the query,
    and u_t predicts y_t. In a sequence y_{t-1} = x_t, and these are the tokens of Sander & Peyré
    2024 (arXiv 2410.03011), section 4; elsewhere the recursion is the same on pairs. Linear and
    exponential layers converge iff 0 < eta < 2 / max_s kappa(x_s, x_s), to one Kaczmarz pass in the
    kernel's space; softmax layers whenever eta < 2 (derived).
    """

    kind: Literal["causal_kernel_descent"] = Field(description="causal kernel descent (CKD)")
    attention: Annotated[Linear | Exponential | Softmax, Field(discriminator="kind")] = Field(
        description="the kernel kappa, as a kind of attention"
    )
    step: float = Field(default=0.3, gt=0, description="eta")
    relative: bool = Field(
        default=False,
        description="take the step in units of 1 / kappa(x_s, x_s), by a gate on the value of the "
        "token that holds x_s: converges for inputs of any norm iff step < 2; equal to an absolute "
        "step for a linear kernel of scale 1 on the unit sphere",
    )
    depths: Depths = DEPTHS

    @model_validator(mode="after")
    def _softmax_is_normalised(self) -> CausalKernelDescent:
        if self.relative and self.attention.kind == "softmax":
            raise ValueError(
                "relative: true does not apply to softmax attention, whose weights are at most 1; "
                "leave it out"
            )
        return self

    @property
    @override
    def needs(self) -> frozenset[Fact]:
        absolute = self.attention.kind == "exponential" and not self.relative
        return frozenset({"unit-norm inputs"} if absolute else ())

    @property
    @override
    def iterates(self) -> tuple[int, ...]:
        return self.depths

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        p, q = inputs.shape[-1], outputs.shape[-1]
        heads = descent_heads(self.attention, self.step, p, q, inputs)
        gate = self._gate(inputs)
        return read_at(
            self.depths,
            descent_tokens(self.attention, inputs, outputs, BLIND),
            lambda tokens: attend_causally(tokens, heads, gate),
            lambda tokens: tokens[..., -q:],
        )

    def _gate(
        self, inputs: Float[torch.Tensor, "batch time p"]
    ) -> Float[torch.Tensor, "batch time 1"]:
        if not self.relative:
            return torch.ones_like(inputs[..., :1])
        scores = self.attention.factor(inputs.shape[-1] + 1) * _previous(inputs).square().sum(
            -1, keepdim=True
        )
        kappa = scores if self.attention.kind == "linear" else scores.exp()
        return torch.where(kappa > 0, 1 / kappa, 0)


def descent_heads(
    attention: Linear | Exponential | Softmax,
    step: float,
    p: int,
    q: int,
    like: torch.Tensor,
) -> list[Head]:
    """Return the heads that move the estimates and the residuals.

    Args:
        attention: The attention of both.
        step: eta.
        p: The dimension of x_t.
        q: The dimension of y_t.
        like: A tensor of the dtype and device wanted.
    """
    read = blocks(like, previous=p, flag=1, current=p, one=1, residual=q, estimate=q)
    residual, estimate = read["residual"], read["estimate"]
    here = torch.cat((read["current"], read["one"]))
    before = torch.cat((read["previous"], read["one"]))
    key = torch.cat((read["previous"], read["flag"]))
    return [
        Head(attention, here, key, residual, step * estimate.mT),
        Head(attention, before, key, residual, -step * residual.mT),
    ]


def descent_tokens(
    attention: Linear | Exponential | Softmax,
    inputs: Float[torch.Tensor, "*batch time p"],
    outputs: Float[torch.Tensor, "*batch time q"],
    hidden: float,
) -> Float[torch.Tensor, "*batch time width"]:
    """Return the tokens (x_{t-1}, flag | x_t, 1 | y_{t-1} | 0).

    Args:
        attention: The attention that is to read them.
        inputs: x.
        outputs: y.
        hidden: The score of the first token, whose pair does not exist. Linear attention needs
            none, as the first residual is zero.
    """
    one = torch.ones_like(inputs[..., :1])
    flag = torch.zeros_like(one)
    if attention.kind != "linear":
        first = torch.arange(inputs.shape[-2], device=inputs.device)[:, None] == 0
        flag = torch.where(first, hidden / attention.factor(inputs.shape[-1] + 1), flag)
    return torch.cat(
        (_previous(inputs), flag, inputs, one, _previous(outputs), torch.zeros_like(outputs)),
        dim=-1,
    )


def _previous(
    rows: Float[torch.Tensor, "*batch time width"],
) -> Float[torch.Tensor, "*batch time width"]:
    """Return the row before each, zero before the first: exact attention to the token before."""
    return torch.nn.functional.pad(rows[..., :-1, :], (0, 0, 1, 0))

"""Newton's iteration for the inverse, by ReLU attention."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.relu import Relu
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.models.constructed.depths import DEPTHS, Depths, read_at
from iclbench.models.constructed.layers import Head, attend_to_context, blocks
from iclbench.models.constructed.prefixes import Prefixes, over_prefixes


class Newton(Method):
    """Layer k of every prefix holds M_k x in its tokens, M_k <- 2 M_k - M_k S M_k, S = X^T X.

    A read-in layer writes M_0 x = alpha S x, every layer is two heads of ReLU attention over the
    context and an MLP that doubles, and a read-out layer behind each reported depth predicts
    y = sum_j <M_k x_j, x_t> y_j = (M_k X^T Y)^T x_t. Fu et al. 2024 (arXiv 2310.17086), Theorem
    5.1, with V_2 = -V_1 (the sign that gives Newton's step; derived). Their attention (1/n) ReLU
    with queries -(n/2) x is ReLU with queries -x/2, as ReLU is homogeneous.

    alpha = initial / ||S S^T||_F is handed to the read-in layer as a weight, prefix by prefix. Null
    directions of S start at rounding error, which doubles every layer: depths above 21 in float32
    and 45 in float64 show it while t < d. At t = 1, S has rank one, and initial = 2 turns its only
    direction to zero from the first layer on.
    """

    kind: Literal["newton"] = Field(description="Newton's iteration by ReLU attention")
    initial: float = Field(
        default=2.0,
        gt=0,
        le=2,
        description="alpha in units of 1 / ||S S^T||_F: 2 reproduces the published figures, 1 is "
        "the released code",
    )
    depths: Depths = DEPTHS

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
        return over_prefixes(inputs, outputs, self._iterate)

    def _iterate(self, prefixes: Prefixes) -> Float[torch.Tensor, "iterate prompt q"]:
        x, y = prefixes.inputs, prefixes.labels
        p, q = x.shape[-1], y.shape[-1]
        tokens = torch.cat((torch.zeros_like(x), x, y, torch.zeros_like(y)), dim=-1)
        read = blocks(tokens, moved=p, x=p, y=q, prediction=q)
        moved = read["moved"]
        doubling = torch.cat((moved, -moved))

        read_in = _signed(self._alpha(prefixes) * read["x"], read["x"], read["x"], moved.mT)
        newton = _signed(-read["x"] / 2, moved, moved, moved.mT)
        read_out = _signed(read["x"], moved, read["y"], read["prediction"].mT)

        def layer(tokens: torch.Tensor) -> torch.Tensor:
            tokens = attend_to_context(tokens, newton)
            return tokens + (tokens @ doubling.mT).relu() @ doubling

        def predict(tokens: torch.Tensor) -> torch.Tensor:
            return attend_to_context(tokens, read_out)[:, -1, -q:]

        return read_at(self.depths, attend_to_context(tokens, read_in), layer, predict)

    def _alpha(self, prefixes: Prefixes) -> Float[torch.Tensor, "prompt 1 1"]:
        context = prefixes.inputs[:, :-1]
        S = context.mT @ context
        norm = torch.linalg.matrix_norm(S @ S)
        return torch.where(norm > 0, self.initial / norm, 0)[:, None, None]


def _signed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, output: torch.Tensor
) -> list[Head]:
    """Return the two ReLU heads that are linear attention: z = max(0, z) - max(0, -z)."""
    relu = Relu(kind="relu")
    return [Head(relu, sign * query, key, sign * value, output) for sign in (1, -1)]

"""Functional gradient descent by attention on (x; y) tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.attention.relu import Relu
from iclbench.attention.softmax import Softmax
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.models.constructed.depths import DEPTHS, Depths, read_at
from iclbench.models.constructed.layers import Head, attend_to_context, blocks
from iclbench.models.constructed.prefixes import Prefixes, over_prefixes
from iclbench.settings import Settings


class KernelHead(Settings):
    """A head whose attention is a kernel kappa(G x, G x') of the inputs."""

    attention: Annotated[Linear | Relu | Exponential | Softmax, Field(discriminator="kind")] = (
        Field(description="the kernel kappa, as a kind of attention")
    )
    weight: float = Field(default=1.0, gt=0, description="factor of this kernel in their sum")
    coordinates: tuple[float, ...] | None = Field(
        default=None,
        max_length=4096,
        description="diagonal of G, one number a coordinate of x; all ones if left out",
    )

    def matrix(self, like: Float[torch.Tensor, "p token"]) -> Float[torch.Tensor, "p token"]:
        """Return B = C = G times the matrix that reads x from a token.

        Raises:
            ValueError: If there is not one number a coordinate of x.
        """
        if self.coordinates is None:
            return like
        if len(self.coordinates) != len(like):
            raise ValueError(
                f"coordinates: {len(self.coordinates)} numbers for inputs of dimension "
                f"{len(like)}; give one a coordinate"
            )
        return torch.tensor(self.coordinates, dtype=like.dtype, device=like.device)[:, None] * like


class FunctionalGD(Method):
    """Layer l + 1 of every prefix is a step of gradient descent in the kernel's function space.

    f_{l+1} = f_l - eta sum_{i<t} (f_l(x_i) - y_i) kappa(., x_i), f_0 = 0.

    The loss is 1/2 sum_{i<t} |f(x_i) - y_i|^2. Tokens are (x_i; y_i) and the query (x_t; 0), never
    key nor value; B = C = I (or G), A = 0, r = -eta. The label of a context token is
    y_i - f_l(x_i), that of the query -f_l(x_t). Several heads descend in the sum of their kernels.
    Cheng et al. 2024 (arXiv 2312.06528), Propositions 1 and 3; with the linear kernel,
    f_l(x) = W_l x descends in W, the construction of von Oswald et al. 2023 (arXiv 2212.07677).
    """

    kind: Literal["functional_gd"] = Field(description="kernel attention as functional GD")
    heads: tuple[KernelHead, ...] = Field(
        min_length=1, max_length=16, description="the kernels, one a head, summed"
    )
    step: Annotated[float, Field(gt=0)] | Literal["stable"] = Field(
        default="stable",
        description="eta; stable is, prefix by prefix, 1 over the largest row sum of |kappa| on "
        "the context, which never exceeds 1 over the largest eigenvalue",
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
        return over_prefixes(inputs, outputs, self._descend)

    def _descend(self, prefixes: Prefixes) -> Float[torch.Tensor, "iterate prompt q"]:
        tokens = torch.cat((prefixes.inputs, prefixes.labels), dim=-1)
        read = blocks(tokens, x=prefixes.inputs.shape[-1], y=prefixes.labels.shape[-1])
        eta = self._stable_step(prefixes) if self.step == "stable" else self.step
        heads = [
            Head(
                attention=head.attention,
                query=head.matrix(read["x"]),
                key=head.matrix(read["x"]),
                value=read["y"],
                output=-eta * head.weight * read["y"].mT,
            )
            for head in self.heads
        ]
        return read_at(
            self.depths,
            tokens,
            lambda tokens: attend_to_context(tokens, heads),
            lambda tokens: -tokens[:, -1] @ read["y"].mT,
        )

    def _stable_step(self, prefixes: Prefixes) -> Float[torch.Tensor, "prompt 1 1"]:
        context = prefixes.inputs[:, :-1]
        identity = torch.eye(context.shape[-1], dtype=context.dtype, device=context.device)
        kernel = torch.zeros((), dtype=context.dtype, device=context.device)
        for head in self.heads:
            points = context @ head.matrix(identity).mT
            kernel = kernel + head.weight * head.attention.weights(points, points, None)
        rows = kernel.abs().sum(-1)
        bound = torch.nn.functional.pad(rows, (0, 1)).amax(-1)  # of no row: 0
        return torch.where(bound > 0, 1 / bound, 0)[:, None, None]

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

    def weights(self, prefixes: Prefixes) -> Float[torch.Tensor, "prompt token token"]:
        """Return the weights of all tokens' attention to the context, times the head's weight.

        Raises:
            ValueError: If there is not one number a coordinate of x.
        """
        points = prefixes.inputs
        if self.coordinates is not None:
            if len(self.coordinates) != points.shape[-1]:
                raise ValueError(
                    f"coordinates: {len(self.coordinates)} numbers for inputs of dimension "
                    f"{points.shape[-1]}; give one a coordinate"
                )
            points = points * points.new_tensor(self.coordinates)
        return self.weight * self.attention.weights(points, points, prefixes.context)


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
        # No head writes x: queries and keys, and so weights, are the same in every layer.
        weights = torch.stack([head.weights(prefixes) for head in self.heads]).sum(0)
        weights *= _stable_step(weights, prefixes) if self.step == "stable" else self.step
        return read_at(
            self.depths,
            prefixes.labels,
            lambda labels: torch.baddbmm(labels, weights, labels, alpha=-1),
            lambda labels: -prefixes.at_query(labels),
        )


def _stable_step(
    weights: Float[torch.Tensor, "prompt token token"], prefixes: Prefixes
) -> Float[torch.Tensor, "prompt 1 1"]:
    bound = (weights.abs().sum(-1, keepdim=True) * prefixes.context.mT).amax(1, keepdim=True)
    return torch.where(bound > 0, 1 / bound, 0)

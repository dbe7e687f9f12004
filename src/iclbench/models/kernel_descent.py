"""The transformer of causal kernel descent, trained."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.attention.softmax import Softmax
from iclbench.lazy import torch
from iclbench.models.trained import TrainedModel


class KernelDescent(TrainedModel):
    """Two heads of causal attention in L layers that share their weights, on tokens of four blocks.

    The tokens (x_{t-1}, flag | x_t, 1 | r_t | u_t) and the shapes are those of the construction
    ``causal_kernel_descent``, from whose weights training starts, or from random ones. u_t, read
    after each layer, predicts y_t. Sander & Peyré 2024 (arXiv 2410.03011), section 4; the shapes of
    the weights are reconstructed. With ``blocks`` queries and keys read x_{t-1}, the flag, x_t and
    1 alone, and values read and write r_t and u_t alone, as in the construction: attention is the
    same in all layers. Without, a head reads and writes whole tokens, and unnormalised attention to
    what it wrote itself soon explodes.

    The first token has no pair. Where the weights of attention are exponential, the flag gives it
    the score -30 in the construction, which hides it (exp(-30) = 1e-13), and marks it by -1 where
    weights are random, as large numbers times random weights explode.
    """

    has_blocks: ClassVar[bool] = False

    kind: Literal["kernel_descent"] = Field(
        description="the architecture that causal kernel descent is built in, trained"
    )
    attention: Annotated[Linear | Exponential | Softmax, Field(discriminator="kind")] = Field(
        default=Linear(kind="linear"), description="the attention of both heads"
    )
    start: Literal["constructed", "random"] = Field(
        default="random", description="the weights that training starts from"
    )
    blocks: bool = Field(
        default=True, description="whether heads keep to the blocks that the construction uses"
    )
    step: float = Field(
        default=0.3, gt=0, le=100, description="eta of the construction that training starts from"
    )
    init_std: float = Field(
        default=0.1, gt=0, le=10, description="standard deviation of random weights"
    )

    @override
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        from iclbench.models.networks.kernel_descent import KernelDescentNetwork

        return KernelDescentNetwork(self, input_dim, output_dim)

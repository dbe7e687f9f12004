"""Causal kernel descent: what a deep causal transformer with shared weights can compute."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.attention.relu import Relu
from iclbench.attention.softmax import Softmax
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers import prefix_attention
from iclbench.solvers.prefix_attention import Rows, blocks, causal_product, limit_predictions
from iclbench.solvers.prefix_iterations import Iterations
from iclbench.solvers.prefixes import reciprocal


class CausalKernelDescent(Method):
    """Gradient descent in function space, each pair seeing the residuals of those before it only.

    R^0 = Y, R^{k+1} = (I - eta L) R^k, and depth n predicts A eta sum_{k<n} R^k. L_ts is the
    attention of x_t to x_s among s <= t, A_ts that among s < t: the lower triangle of the Gram
    matrix with and without its diagonal, and with softmax each row divided by its sum. Sander &
    Peyré 2024 (arXiv 2410.03011), section 4; this form of the recursion is derived.

    It converges iff 0 < eta < 2 / max_s L_ss (softmax: if eta < 2), to A L^{-1} Y, which is for a
    kernel one pass of ``kaczmarz`` in its space (derived). Beware of depths below the limit: at a
    fixed depth the error grows with t, because I - eta L is far from normal. With eta = 1/L_ss it
    is nilpotent, so exact after t layers, but in between the error reaches 1e3 (linear, d = 5,
    t = 40) or leaves nothing of float64 (exponential, t > 60). Take small steps and short prompts,
    or ``depths: limit``, one triangular solve. Works in float64, whatever the inputs; of prompts
    longer than a block it keeps what every layer adds, T numbers a layer and output.
    """

    kind: Literal["causal_kernel_descent"] = Field(
        description="functional gradient descent under a causal mask"
    )
    attention: Annotated[Linear | Relu | Exponential | Softmax, Field(discriminator="kind")] = (
        Field(description="the kernel kappa, as a kind of attention")
    )
    step: float = Field(default=0.3, gt=0, description="eta; without effect on the limit")
    relative: bool = Field(
        default=False,
        description="take the step in units of 1 / kappa(x_s, x_s) at each pair s (0 where that "
        "divides by 0): converges for inputs of any norm iff step < 2",
    )
    depths: Iterations | Literal["limit"] = Field(
        default=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        description="numbers of layers reported, ascending, or the limit of infinitely many",
    )

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
    def iterates(self) -> tuple[int, ...]:
        return (0,) if self.depths == "limit" else self.depths

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        x, y = inputs.double(), outputs.double()

        def rows(now: slice) -> tuple[torch.Tensor, torch.Tensor]:
            queries, keys = x[:, now], x[:, : now.stop]
            # The last key that the first query of the block sees: its own, or the one before.
            L = self.attention.weights(queries, keys, mask=now.start)
            A = self.attention.weights(queries, keys, mask=now.start - 1)
            return L, A

        if self.depths == "limit":
            return limit_predictions(rows, y)[None].to(inputs.dtype)
        return self._sweep(rows, y, self.depths).to(inputs.dtype)

    def _sweep(
        self,
        rows: Rows,
        outputs: Float[torch.Tensor, "batch time q"],
        depths: tuple[int, ...],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        batch, time, q = outputs.shape
        predictions = outputs.new_zeros(len(depths), *outputs.shape)
        # The coefficients at the depths reported; what each layer adds to those of past blocks.
        reported = torch.zeros_like(predictions)
        updates = outputs.new_zeros(batch, 0, depths[-1], q)
        for now in blocks(time, 2 * prefix_attention.BLOCK):
            L, A = rows(now)
            own, residual = L[..., now], outputs[:, now]
            eta = self.step * (
                reciprocal(own.diagonal(dim1=1, dim2=2))[..., None] if self.relative else 1
            )
            received = None
            if now.start > 0 and depths[-1] > 0:
                received = causal_product(L[..., : now.start], updates.flatten(2))
                received = received.unflatten(2, (depths[-1], q))
            coefficients, added = torch.zeros_like(residual), []
            for depth in range(depths[-1] + 1):
                if depth in depths:
                    k = depths.index(depth)
                    reported[k, :, now] = coefficients
                    predictions[k, :, now] = causal_product(A, reported[k, :, : now.stop])
                if depth < depths[-1]:
                    update = eta * residual
                    coefficients = coefficients + update
                    residual = residual - causal_product(own, update)
                    if received is not None:
                        residual = residual - received[:, :, depth]
                    if now.stop < time:
                        added.append(update)
            if added:
                updates = torch.cat([updates, torch.stack(added, 2)], 1)
        return predictions

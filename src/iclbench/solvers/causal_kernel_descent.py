"""Causal kernel descent: what a deep causal transformer with shared weights can compute."""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field

from iclbench.attention.kernels import Kernel
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.prefix_attention import causal_product, depth_limit
from iclbench.solvers.prefix_iterations import Iterations


class CausalKernelDescent(Method):
    """Gradient descent in function space whose every residual is seen through a causal mask.

    R^0 = Y, R^{k+1} = (I - eta L) R^k, and the prediction after n layers is A eta sum_{k<n} R^k.
    With a kernel L = tril(K) holds k(x_t, x_s), s <= t, and A = strict_tril(K); with softmax the
    rows of L and of A are normalised to sum to 1. Sander & Peyré 2024 (arXiv 2410.03011),
    section 4; this form of the recursion is derived.

    It converges from every start iff 0 < eta < 2 / max_s L_ss, and the limit A L^{-1} Y is for a
    kernel one pass of Kaczmarz. Below the limit beware: I - eta L is far from normal. With
    eta = 1/k(x_s, x_s) it is nilpotent, exact after as many layers as pairs, and yet what lies
    between grows as long as layers are few against positions: by 1e3 (linear, d = 5) or beyond all
    digits of float64 (exponential, T >= 60). Small steps, short prompts and depths = "limit" are
    safe. At a fixed depth the error grows with t.
    """

    kind: Literal["causal_kernel_descent"] = Field(
        description="functional gradient descent under a causal mask"
    )
    attention: Literal["linear", "relu", "exponential", "softmax"] = Field(
        description="the kernel of <x, x'>, or softmax: exponential with rows summing to 1"
    )
    scale: float = Field(default=1.0, gt=0, description="factor of the inner product (beta)")
    step_size: float = Field(default=1.0, gt=0, description="eta")
    relative: bool = Field(
        default=True,
        description="divide the step by k(x_s, x_s), its like on the unit sphere being 1/kappa; "
        "softmax, where max_s L_ss = 1, is left as it is",
    )
    depths: Iterations | Literal["limit"] = Field(
        default=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        description="numbers of layers reported, or the limit of infinitely many",
    )

    @property
    def iterates(self) -> tuple[int, ...]:
        """The depths; (0,) for the limit."""
        return (0,) if self.depths == "limit" else self.depths

    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        """Predict y_t from the pairs before t at every reported depth; 0 at depth 0."""
        within, ahead = self.weights(inputs)
        if self.depths == "limit":
            return causal_product(ahead, depth_limit(within, outputs)).unsqueeze(0)
        step = self.steps(within)
        residual = outputs
        total = torch.zeros_like(outputs)
        predictions = []
        for depth in range(self.depths[-1] + 1):
            if depth in self.depths:
                predictions.append(causal_product(ahead, total))
            update = step * residual
            total = total + update
            residual = residual - causal_product(within, update)
        return torch.stack(predictions)

    def weights(
        self, inputs: Float[torch.Tensor, "batch time p"]
    ) -> tuple[Float[torch.Tensor, "batch time time"], Float[torch.Tensor, "batch time time"]]:
        """Return L, by which a pair sees itself and the pairs before, and A, by which x_t does."""
        if self.attention == "softmax":
            scores = self.scale * (inputs @ inputs.mT)
            unseen = torch.ones_like(scores, dtype=torch.bool).triu()
            within = scores.masked_fill(unseen.triu(1), -torch.inf).softmax(-1)
            # The first query of A sees nothing: its row is NaN until tril drops it.
            return within, scores.masked_fill(unseen, -torch.inf).softmax(-1).tril(-1)
        gram = Kernel(kind=self.attention, scale=self.scale).gram(inputs, inputs)
        return gram.tril(), gram.tril(-1)

    def steps(
        self, within: Float[torch.Tensor, "batch time time"]
    ) -> Float[torch.Tensor, "batch time 1"]:
        """Return eta at every pair; 0 where a relative step would divide by k(x_s, x_s) = 0."""
        diagonal = within.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
        if not self.relative or self.attention == "softmax":
            return torch.full_like(diagonal, self.step_size)
        return (self.step_size / diagonal).where(diagonal > 0, 0.0)

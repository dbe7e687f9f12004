"""The held-out loss of kernel ridge regression on every prefix, and its hypergradient."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float

from iclbench.attention.kernels import Kernel
from iclbench.lazy import torch
from iclbench.solvers.implicit import hypergradient


class Evaluation(NamedTuple):
    """The held-out loss on every prefix; where it does not exist, inf with a zero gradient."""

    loss: Float[torch.Tensor, "batch time"]
    gradient: Float[torch.Tensor, "batch time 2"]
    singular: Bool[torch.Tensor, "batch time"]
    """Whether the inner Hessian is finite, but has no Cholesky factor in working precision."""


class HeldOut:
    """Of the pairs before t, those of even index are fitted and those of odd index held out.

    The inner problem and the outer loss, for h = (log lambda, log of a factor c on the scale):

        alpha*(h) solves F(alpha, h) = (K_even,even(c) + lambda I) alpha - y_even = 0,
        loss(h) = mean |K_odd,even(c) alpha*(h) - y_odd|^2; 0 where no pair is held out.

    The prefixes are independent problems of one size: pairs not yet seen have x = 0, y = 0 and no
    covariance with any other, so that their alpha is 0.
    """

    def __init__(
        self,
        kernel: Kernel,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> None:
        time, q = outputs.shape[1:]
        position = torch.arange(time, device=inputs.device)
        seen = (position < position[:, None])[..., None]
        even, odd = seen[:, 0::2], seen[:, 1::2]
        x, y = torch.where(even, inputs[:, None, 0::2], 0.0), outputs[:, None, 0::2]
        self.kernel = kernel
        self.fitted, self.held = even & even.mT, odd
        self.products = products(kernel, x, x)
        self.products_held = products(kernel, torch.where(odd, inputs[:, None, 1::2], 0.0), x)
        self.y = torch.where(even, y, 0.0)
        self.y_held = torch.where(odd, outputs[:, None, 1::2], 0.0)
        self.count = q * odd.sum((-2, -1)).clamp_min(1)

    def hessian(
        self, h: Float[torch.Tensor, "batch time 2"]
    ) -> Float[torch.Tensor, "batch time fitted fitted"]:
        """Return K_even,even(c) + lambda I, the derivative of F in alpha."""
        K = torch.where(self.fitted, kappa(self.kernel, h, self.products), 0.0)
        identity = torch.eye(K.shape[-1], dtype=K.dtype, device=K.device)
        return K + h[..., :1, None].exp() * identity

    def inner_gradient(
        self,
        alpha: Float[torch.Tensor, "batch time fitted q"],
        h: Float[torch.Tensor, "batch time 2"],
    ) -> Float[torch.Tensor, "batch time fitted q"]:
        """Return F(alpha, h)."""
        return self.hessian(h) @ alpha - self.y

    def losses(
        self,
        alpha: Float[torch.Tensor, "batch time fitted q"],
        h: Float[torch.Tensor, "batch time 2"],
    ) -> Float[torch.Tensor, "batch time"]:
        """Return mean |K_odd,even(c) alpha - y_odd|^2 on every prefix."""
        error = kappa(self.kernel, h, self.products_held) @ alpha - self.y_held
        return torch.where(self.held, error, 0.0).square().sum((-2, -1)) / self.count

    def evaluate(self, h: Float[torch.Tensor, "batch time 2"]) -> Evaluation:
        """Return the loss and its gradient in h, by the implicit function theorem."""
        hessian = self.hessian(h)
        factor, info = torch.linalg.cholesky_ex(hessian)
        alpha = torch.cholesky_solve(self.y, factor)
        loss = self.losses(alpha, h)
        gradient = hypergradient(
            self.inner_gradient,
            lambda alpha, h: self.losses(alpha, h).sum(),
            alpha,
            h,
            solve=lambda v: torch.cholesky_solve(v, factor),
        )
        exists = (info == 0) & loss.isfinite() & gradient.isfinite().all(-1)
        return Evaluation(
            torch.where(exists, loss, torch.inf),
            torch.where(exists[..., None], gradient, 0.0),
            (info != 0) & hessian.isfinite().all(-1).all(-1),
        )


def products(
    kernel: Kernel,
    left: Float[torch.Tensor, "*batch n p"],
    right: Float[torch.Tensor, "*batch m p"],
) -> Float[torch.Tensor, "*batch n m"]:
    """Return z_ij = scale <left_i, right_j>."""
    return kernel.scale * (left @ right.mT)


def kappa(
    kernel: Kernel,
    h: Float[torch.Tensor, "*#batch 2"],
    z: Float[torch.Tensor, "*#batch n m"],
) -> Float[torch.Tensor, "*#batch n m"]:
    """Return kappa with the scale multiplied by c = exp(h_2): exp(c z) if exponential.

    The linear kernel stays z: to scale it is to divide the penalty.
    """
    return z if kernel.kind == "linear" else (h[..., 1:, None].exp() * z).exp()

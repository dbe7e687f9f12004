"""The held-out loss of kernel ridge regression on every prefix, and its hypergradient."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float

from iclbench.implicit.problems import Problem
from iclbench.kernels.kernel import InnerProductKernel
from iclbench.kernels.linear import LinearKernel
from iclbench.lazy import torch
from iclbench.solvers.kernel_ridge import cholesky

GOLDEN = (5**0.5 - 1) / 2
"""The golden ratio less 1, the number worst approximated by fractions."""


class Evaluation(NamedTuple):
    """The held-out loss on every prefix; where it does not exist, inf with a zero gradient."""

    loss: Float[torch.Tensor, "batch time"]
    gradient: Float[torch.Tensor, "batch time 2"]
    singular: Bool[torch.Tensor, "batch time"]
    """Whether the inner Hessian is finite, but singular by the tolerance of ``kernel_ridge``."""


class HeldOut:
    """Of the pairs before t, about every other is fitted and the others are held out.

    The inner problem and the outer loss, for h = (log lambda, log of a factor c on the scale):

        alpha*(h) solves F(alpha, h) = (K_fit,fit(c) + lambda I) alpha - y_fit = 0,
        loss(h) = mean |K_held,fit(c) alpha*(h) - y_held|^2; 0 where no pair is held out.

    Pair s is fitted iff the fractional part of s / golden ratio is below 1/2. These are equally
    distributed along every arithmetic progression (Weyl), so that each phase of a periodic sequence
    is fitted and held out alike; between even and odd an even period would share nothing.

    The prefixes are independent problems of one size: pairs not yet seen have x = 0, y = 0 and no
    covariance with any other, so that their alpha is 0.
    """

    def __init__(
        self,
        kernel: InnerProductKernel,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
        first: int = 0,
    ) -> None:
        """Pose the problems at indices ``first`` to time - 1, the time axis of what follows."""
        time, q = outputs.shape[1:]
        position = torch.arange(time, device=inputs.device)
        seen = (position < position[first:, None])[..., None]
        fit = (position.double() * GOLDEN).frac() < 0.5
        fitted, held = seen[:, fit], seen[:, ~fit]
        x = torch.where(fitted, inputs[:, None, fit], 0.0)
        self.kernel = kernel
        self.fitted, self.held = fitted & fitted.mT, held
        self.products = products(kernel, x, x)
        self.products_held = products(kernel, torch.where(held, inputs[:, None, ~fit], 0.0), x)
        self.y = torch.where(fitted, outputs[:, None, fit], 0.0)
        self.y_held = torch.where(held, outputs[:, None, ~fit], 0.0)
        self.count = q * held.sum((-2, -1))
        """How many numbers are held out on every prefix."""

    def hessian(
        self, h: Float[torch.Tensor, "batch time 2"]
    ) -> Float[torch.Tensor, "batch time fitted fitted"]:
        """Return K_fit,fit(c) + lambda I, the derivative of F in alpha."""
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
        """Return mean |K_held,fit(c) alpha - y_held|^2 on every prefix."""
        error = kappa(self.kernel, h, self.products_held) @ alpha - self.y_held
        return torch.where(self.held, error, 0.0).square().sum((-2, -1)) / self.count.clamp_min(1)

    def evaluate(self, h: Float[torch.Tensor, "batch time 2"]) -> Evaluation:
        """Return the loss and its gradient in h, by the implicit function theorem."""
        hessian = self.hessian(h)
        factor, regular = cholesky(hessian)
        alpha = torch.cholesky_solve(self.y, factor)
        loss = self.losses(alpha, h)
        problem = Problem(self.inner_gradient, lambda alpha, h: self.losses(alpha, h).sum())
        in_alpha, in_h = problem.outer_gradients(alpha, h)
        gradient = in_h - problem.pull(alpha, h, torch.cholesky_solve(in_alpha, factor))
        exists = regular & loss.isfinite() & gradient.isfinite().all(-1)
        return Evaluation(
            torch.where(exists, loss, torch.inf),
            torch.where(exists[..., None], gradient, 0.0),
            ~regular & hessian.isfinite().all(-1).all(-1),
        )


def products(
    kernel: InnerProductKernel,
    left: Float[torch.Tensor, "*batch n p"],
    right: Float[torch.Tensor, "*batch m p"],
) -> Float[torch.Tensor, "*batch n m"]:
    """Return z_ij = scale <left_i, right_j>."""
    return kernel.scale * (left @ right.mT)


def kappa(
    kernel: InnerProductKernel,
    h: Float[torch.Tensor, "*#batch 2"],
    z: Float[torch.Tensor, "*#batch n m"],
) -> Float[torch.Tensor, "*#batch n m"]:
    """Return kappa with the scale multiplied by c = exp(h_2): kappa of c z.

    The linear kernel stays z: to scale it is to divide the penalty.
    """
    return z if isinstance(kernel, LinearKernel) else kernel.of(h[..., 1:, None].exp() * z)

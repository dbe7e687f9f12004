"""Ridge and kernel ridge regression that tune their own hyperparameters on the prompt."""

from __future__ import annotations

from enum import Enum
from math import log
from typing import Literal, NamedTuple

from jaxtyping import Float, Int
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.attention.kernels import Kernel
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.held_out import HeldOut, kappa, products

FLAT = 1e-3
"""The relative change of the held-out loss per e-fold below which tuning has finished."""


class Outcome(Enum):
    """How the tuning on one prefix ended."""

    FINISHED = "The held-out loss is stationary in the hyperparameters."
    AT_BOUND = (
        "The held-out loss still falls at a bound of the search, a factor of 1e4 from the initial "
        "penalty or of 100 from the kernel's scale."
    )
    UNFINISHED = "The outer steps were spent before the held-out loss was stationary; allow more."
    TOO_SHORT = "Fewer than two pairs are seen and none can be held out; the initial values stand."
    SINGULAR = (
        "The inner Hessian became singular in working precision; the last values before that "
        "stand. Start from a larger penalty."
    )
    NOT_FINITE = (
        "The held-out loss or its hypergradient became infinite; the last values before that "
        "stand. Scale the inputs, or the kernel, down."
    )

    @property
    def code(self) -> int:
        """Its place in ``tuple(Outcome)``, by which tensors hold it."""
        return tuple(Outcome).index(self)


class Tuning(NamedTuple):
    """The course of the tuning, on every prefix.

    Attributes:
        log_penalty: log lambda at every outer step, the initial value first.
        log_scale: The logarithm of a factor on the kernel's own scale; 0 where it is not tuned.
        loss: The held-out loss, which never rises.
        outcome: How it ended, as ``Outcome.code``.
    """

    log_penalty: Float[torch.Tensor, "iterate batch time"]
    log_scale: Float[torch.Tensor, "iterate batch time"]
    loss: Float[torch.Tensor, "iterate batch time"]
    outcome: Int[torch.Tensor, "batch time"]


class Bilevel(Method):
    """Kernel ridge regression with h = argmin of the ``HeldOut`` loss, on every prefix.

    Under the linear kernel this is ridge regression and h its log penalty; under the exponential
    one h = (log penalty, log of a factor on the scale). Each iterate is an outer step, and predicts
    by a fit of all the pairs seen with its h; iterate 0 has the initial values.

    Outer steps follow the hypergradient of the implicit function theorem, each prefix on its own:
    along the normalised gradient, by a step that starts at one e-fold, doubles while directions
    agree, halves where they turn, and is undone and quartered where the loss does not fall. The
    penalty stays within a factor 1e4 of its initial value, the scale within 100. Works in float64,
    whatever the inputs. A prediction is NaN only where the fit of all pairs is itself singular or
    overflows.

    Source: the ridge problem of Ye et al. 2024 (arXiv 2402.16748) in context, with one penalty in
    place of one a coordinate (derived).
    """

    kind: Literal["bilevel"] = Field(
        description="kernel ridge regression that tunes its penalty and scale on the pairs seen"
    )
    kernel: Kernel = Field(description="the kernel; linear makes this ridge regression")
    penalty: float = Field(gt=0, le=1e12, description="penalty before the first outer step")
    steps: int = Field(default=20, ge=0, le=1000, description="number of outer steps")

    @model_validator(mode="after")
    def _inner_problem_is_convex(self) -> Bilevel:
        if self.kernel.kind == "relu":
            raise ValueError(
                "kernel.kind 'relu' is indefinite, so that the inner problem has no minimum; "
                "use 'linear' or 'exponential', or the solver kernel_ridge"
            )
        return self

    @property
    @override
    def iterates(self) -> tuple[int, ...]:
        return tuple(range(self.steps + 1))

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        # Every prefix has Gram matrices of its own: as many prompts at a time as the cache holds.
        size = max(1, 2**21 // inputs.shape[1] ** 3)
        parts = zip(inputs.double().split(size), outputs.double().split(size), strict=True)
        return torch.cat([self._refit(x, y) for x, y in parts], dim=1).to(inputs.dtype)

    def _refit(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        tuning = self.tune(x, y)
        h = torch.stack((tuning.log_penalty, tuning.log_scale), dim=-1)
        z = products(self.kernel, x, x)
        predictions = torch.zeros(self.steps + 1, *y.shape, dtype=y.dtype, device=y.device)
        for t in range(1, x.shape[1]):
            K = kappa(self.kernel, h[..., t, :], z[:, : t + 1, :t])
            identity = torch.eye(t, dtype=y.dtype, device=y.device)
            hessian = K[..., :t, :] + h[..., t, :1, None].exp() * identity
            factor, info = torch.linalg.cholesky_ex(hessian)
            prediction = (K[..., t:, :] @ torch.cholesky_solve(y[:, :t], factor)).squeeze(-2)
            predictions[:, :, t] = torch.where((info == 0)[..., None], prediction, torch.nan)
        return predictions

    def tune(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Tuning:
        """Return the hyperparameters on every prefix at every outer step, and how each ended."""
        held_out = HeldOut(self.kernel, inputs.double(), outputs.double())
        start = torch.tensor([log(self.penalty), 0.0], dtype=torch.float64, device=inputs.device)
        span = torch.tensor([log(1e4), log(1e2)], dtype=torch.float64, device=inputs.device)
        low, high = start - span, start + span

        def descent(h: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
            outward = ((h <= low) & (gradient > 0)) | ((h >= high) & (gradient < 0))
            return torch.where(outward, 0.0, -gradient)

        h = start.expand(*inputs.shape[:2], 2)
        last = held_out.evaluate(h)
        loss, gradient = last.loss, last.gradient
        radius = torch.ones_like(h[..., :1])
        course = [(h, loss)]
        for _ in range(self.steps):
            direction = descent(h, gradient)
            unit = torch.nn.functional.normalize(direction, dim=-1, eps=1e-300)
            proposal = torch.clamp(h + radius * unit, low, high)
            last = held_out.evaluate(proposal)
            agree = (unit * descent(proposal, last.gradient)).sum(-1, keepdim=True) > 0
            falls = (last.loss < loss)[..., None]
            radius = radius * torch.where(falls, torch.where(agree, 2.0, 0.5), 0.25)
            h = torch.where(falls, proposal, h)
            gradient = torch.where(falls, last.gradient, gradient)
            loss = torch.minimum(last.loss, loss)
            course.append((h, loss))

        def flat(slope: torch.Tensor) -> torch.Tensor:
            return loss.isfinite() & (slope.norm(dim=-1) <= FLAT * loss)

        outcome = torch.full_like(loss, Outcome.UNFINISHED.code, dtype=torch.int64)
        for holds, name in (
            (last.loss.isinf(), Outcome.NOT_FINITE),
            (last.singular, Outcome.SINGULAR),
            (flat(descent(h, gradient)), Outcome.AT_BOUND),
            (flat(gradient), Outcome.FINISHED),
            (torch.arange(inputs.shape[1], device=inputs.device) < 2, Outcome.TOO_SHORT),
        ):
            outcome = torch.where(holds, name.code, outcome)
        hs, losses = (torch.stack(parts) for parts in zip(*course, strict=True))
        return Tuning(hs[..., 0], hs[..., 1], losses, outcome)

"""Ridge and kernel ridge regression that tune their own hyperparameters on the prompt."""

from __future__ import annotations

from enum import Enum
from itertools import pairwise
from math import log
from typing import Literal, NamedTuple

from jaxtyping import Float, Int
from pydantic import Field, model_validator
from typing_extensions import override

from iclbench.kernels.choice import AnyKernel
from iclbench.kernels.kernel import InnerProductKernel
from iclbench.kernels.linear import LinearKernel
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.held_out import Evaluation, HeldOut, kappa, products
from iclbench.solvers.kernel_ridge import cholesky, factorise

FLAT = 1e-2
"""The change of the objective per e-fold below which tuning has finished."""

WIDTH = (log(10.0), log(2.0))
"""Standard deviations of the prior of log penalty and log scale about their initial values."""

TINY = 1e-300
"""Held-out losses below it are taken for it, so that a perfect fit has a logarithm."""

SPAN = (log(1e4), log(4.0))
"""How far from its initial value each may move."""


class Outcome(Enum):
    """How the tuning on one prefix ended."""

    FINISHED = "The objective is stationary in the hyperparameters."
    AT_BOUND = (
        "The objective still falls at a bound of the search, a factor of 1e4 from the initial "
        "penalty or of 4 from the kernel's scale."
    )
    UNFINISHED = "The outer steps were spent before the objective was stationary; allow more."
    TOO_SHORT = (
        "No more numbers are held out than hyperparameters are tuned; the initial values stand."
    )
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
        objective: J at every outer step, which never rises.
        outcome: How it ended, as ``Outcome.code``.
    """

    log_penalty: Float[torch.Tensor, "iterate batch time"]
    log_scale: Float[torch.Tensor, "iterate batch time"]
    objective: Float[torch.Tensor, "iterate batch time"]
    outcome: Int[torch.Tensor, "batch time"]


class Bilevel(Method):
    """Kernel ridge regression with h = argmin J, on every prefix.

    Under the linear kernel this is ridge regression and h its log penalty; under the exponential
    one h = (log lambda, log c), with c a factor on the scale. An iterate is an outer step, and
    predicts by a fit of all the pairs seen with its h; iterate 0 has the initial values. With
    lambda_0 = ``penalty`` and n = max(0, numbers held out - number of hyperparameters),

        J(h) = n/2 log loss(h) + log(lambda / lambda_0)^2 / (2 log(10)^2) + log(c)^2 / (2 log(2)^2),

    where loss is that of ``HeldOut``. This is the most probable h under Gaussian held-out errors of
    unknown variance, and a prior within a factor 10 of lambda_0 and 2 of the scale: as many errors
    as hyperparameters could vanish by chance, and count for nothing.

    Outer steps follow the hypergradient of the implicit function theorem, each prefix on its own:
    along the normalised gradient, by a step that starts at one e-fold, doubles while directions
    agree, halves where they turn, and is undone and quartered where the loss does not fall. The
    penalty stays within a factor 1e4 of its initial value, the scale within 4. Works in float64,
    whatever the inputs. Where the fit of all pairs is singular, inputs without variance left are
    passed over as in ``kernel_ridge``; a prediction is NaN only where the kernel overflows.

    Source: the ridge problem of Ye et al. 2024 (arXiv 2402.16748) in context, with one penalty in
    place of one a coordinate, and the prior (derived).
    """

    kind: Literal["bilevel"] = Field(
        description="kernel ridge regression that tunes its penalty and scale on the pairs seen"
    )
    kernel: AnyKernel = Field(description="the kernel; linear makes this ridge regression")
    penalty: float = Field(gt=0, le=1e12, description="penalty before the first outer step")
    steps: int = Field(default=20, ge=0, le=1000, description="number of outer steps")

    @model_validator(mode="after")
    def _inner_problem_is_convex(self) -> Bilevel:
        if not self.kernel.is_definite:
            raise ValueError(
                f"kernel.kind {self.kernel.kind!r} is indefinite, so that the inner problem has no "
                "minimum; use a definite one, such as 'linear', or the solver kernel_ridge"
            )
        return self

    @model_validator(mode="after")
    def _has_a_scale(self) -> Bilevel:
        self._tuned()
        return self

    def _tuned(self) -> InnerProductKernel:
        """Return the kernel, which has a scale to tune."""
        if not isinstance(self.kernel, InnerProductKernel):
            raise ValueError(
                f"kernel.kind {self.kernel.kind!r} is no function of a scaled inner product, and "
                "has no scale to tune; use 'linear', or the solver kernel_ridge"
            )
        return self.kernel

    @property
    @override
    def iterates(self) -> tuple[int, ...]:
        """Steps 0, 1, 2, 5, 10, 20, 50, ... and the last."""
        some = {digit * 10**power for digit in (1, 2, 5) for power in range(3)}
        return tuple(sorted({0, self.steps, *(step for step in some if step < self.steps)}))

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        # Every prefix has Gram matrices of its own: as many prompts at a time as the cache holds.
        size = max(1, 2**23 // inputs.shape[1] ** 3)
        parts = zip(inputs.double().split(size), outputs.double().split(size), strict=True)
        return torch.cat([self._refit(x, y) for x, y in parts], dim=1).to(inputs.dtype)

    def _refit(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        tuning = self.tune(x, y)
        h = torch.stack((tuning.log_penalty, tuning.log_scale), dim=-1)[list(self.iterates)]
        z = products(self._tuned(), x, x)
        outputs = y.expand(len(h), *y.shape)
        predictions = outputs.new_zeros(outputs.shape)
        for t in range(1, x.shape[1]):
            K = kappa(self._tuned(), h[..., t, :], z[:, : t + 1, : t + 1])
            K = K.expand(*h.shape[:2], -1, -1)
            penalty = h[..., t, :1, None].exp()
            identity = torch.eye(t, dtype=y.dtype, device=y.device)
            factor, regular = cholesky(K[..., :t, :t] + penalty * identity)
            weights = torch.cholesky_solve(y[:, :t], factor)
            predictions[:, :, t] = (K[..., t:, :t] @ weights).squeeze(-2)
            if not regular.all():
                rest = ~regular
                robust = factorise(K[rest], outputs[rest][:, : t + 1], penalty[rest])
                predictions[:, :, t][rest] = robust[:, t]
        return predictions

    def tune(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
        first: int = 0,
    ) -> Tuning:
        """Return the hyperparameters on every prefix at every outer step, and how each ended.

        The time axis of the result begins at index ``first``, below the length; prefixes are
        independent, so that the earlier ones cost nothing.
        """
        x, y = inputs.double(), outputs.double()
        time = x.shape[1]
        # Prefixes are solved at the size of the longest: a few sizes halve the work.
        ends = sorted({max(first, -(-time * part // 4)) for part in range(5)})
        parts = [
            self._tune(HeldOut(self._tuned(), x[:, :end], y[:, :end], start))
            for start, end in pairwise(ends)
        ]
        return Tuning(*(torch.cat(part, dim=-1) for part in zip(*parts, strict=True)))

    def _tune(self, held_out: HeldOut) -> Tuning:
        device = held_out.count.device
        start = torch.tensor([log(self.penalty), 0.0], dtype=torch.float64, device=device)
        span = torch.tensor(SPAN, dtype=torch.float64, device=device)
        width = torch.tensor(WIDTH, dtype=torch.float64, device=device)
        low, high = start - span, start + span
        hyperparameters = 1 if isinstance(self.kernel, LinearKernel) else 2
        freedom = (held_out.count - hyperparameters).clamp_min(0)

        def evaluate(h: torch.Tensor) -> tuple[Evaluation, torch.Tensor, torch.Tensor]:
            found = held_out.evaluate(h)
            loss, move = found.loss.clamp_min(TINY), (h - start) / width
            objective = (freedom * loss.log() + move.square().sum(-1)) / 2
            gradient = (freedom / (2 * loss))[..., None] * found.gradient + move / width
            exists = loss.isfinite()
            return (
                found,
                torch.where(exists, objective, torch.inf),
                torch.where(exists[..., None], gradient, 0.0),
            )

        def descent(h: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
            outward = ((h <= low) & (gradient > 0)) | ((h >= high) & (gradient < 0))
            return torch.where(outward, 0.0, -gradient)

        h = start.expand(len(held_out.y), len(held_out.count), 2)
        last, objective, gradient = evaluate(h)
        radius = torch.ones_like(h[..., :1])
        course = [(h, objective)]
        for _ in range(self.steps):
            direction = descent(h, gradient)
            unit = torch.nn.functional.normalize(direction, dim=-1, eps=1e-300)
            proposal = torch.clamp(h + radius * unit, low, high)
            last, proposed, slope = evaluate(proposal)
            agree = (unit * descent(proposal, slope)).sum(-1, keepdim=True) > 0
            falls = (proposed < objective)[..., None]
            radius = radius * torch.where(falls, torch.where(agree, 2.0, 0.5), 0.25)
            h = torch.where(falls, proposal, h)
            gradient = torch.where(falls, slope, gradient)
            objective = torch.minimum(proposed, objective)
            course.append((h, objective))

        def flat(slope: torch.Tensor) -> torch.Tensor:
            return objective.isfinite() & (slope.norm(dim=-1) <= FLAT)

        outcome = torch.full_like(objective, Outcome.UNFINISHED.code, dtype=torch.int64)
        for holds, name in (
            (last.loss.isinf(), Outcome.NOT_FINITE),
            (last.singular, Outcome.SINGULAR),
            (flat(descent(h, gradient)), Outcome.AT_BOUND),
            (flat(gradient), Outcome.FINISHED),
            (freedom == 0, Outcome.TOO_SHORT),
        ):
            outcome = torch.where(holds, name.code, outcome)
        hs, objectives = (torch.stack(parts) for parts in zip(*course, strict=True))
        return Tuning(hs[..., 0], hs[..., 1], objectives, outcome)

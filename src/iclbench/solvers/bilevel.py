"""Ridge and kernel ridge regression that tune their own hyperparameters on the prompt."""

from __future__ import annotations

from enum import Enum
from math import log
from typing import Literal, NamedTuple, Self

from jaxtyping import Float, Int
from pydantic import Field, model_validator

from iclbench.attention.kernels import Kernel
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.implicit import hypergradient

PENALTY_RANGE, SCALE_RANGE = 1e6, 100.0
"""The largest factors by which tuning changes the penalty and the scale, up or down."""

FLAT = 1e-3
"""The relative change of the held-out loss per e-fold below which tuning counts as finished."""


class Outcome(Enum):
    """How the tuning on one prefix ended."""

    FINISHED = "The held-out loss is stationary in the hyperparameters."
    AT_BOUND = (
        "The held-out loss still falls at a bound of the search, a factor of 1e6 from the initial "
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
    """Kernel ridge regression whose hyperparameters minimise a held-out loss, on every prefix.

    On the pairs before t, those of even index are fitted and those of odd index held out:

        alpha*(h) solves F(alpha, h) = (K_even,even(h) + lambda I) alpha - y_even = 0,
        loss(h) = mean |K_odd,even(h) alpha*(h) - y_odd|^2,

    where h = log lambda under the linear kernel, which makes this ridge regression, and
    h = (log lambda, log of a factor on the scale) under the exponential one.

    Outer steps follow the hypergradient by the implicit function theorem, each prefix on its own:
    along the normalised gradient by a step that starts at one e-fold, doubles while directions
    agree, halves where they turn, and is undone and quartered where the loss does not fall. h stays
    within fixed factors of its initial value. Each iterate predicts by a fit of all pairs seen with
    the h of that outer step; iterate 0 has the initial one. Works in float64, whatever the inputs.

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
    def _inner_problem_is_convex(self) -> Self:
        if self.kernel.kind == "relu":
            raise ValueError(
                "kernel.kind 'relu' is indefinite, so that the inner problem has no minimum; "
                "use 'linear' or 'exponential', or the solver kernel_ridge"
            )
        return self

    @property
    def iterates(self) -> tuple[int, ...]:  # noqa: D102
        return tuple(range(self.steps + 1))

    def predict(  # noqa: D102
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        tuning = self.tune(inputs, outputs)
        x, y = inputs.double(), outputs.double()
        predictions = torch.zeros(self.steps + 1, *y.shape, dtype=y.dtype, device=y.device)
        for t in range(1, x.shape[1]):
            K = self.gram(tuning.log_scale[..., t], x[:, : t + 1], x[:, :t])
            factor, _ = _factorise(K[..., :t, :], tuning.log_penalty[..., t])
            alpha = torch.cholesky_solve(y[:, :t], factor)
            predictions[:, :, t] = (K[..., t:, :] @ alpha).squeeze(-2)
        return predictions.to(inputs.dtype)

    def gram(
        self,
        log_scale: Float[torch.Tensor, "*#batch"],
        left: Float[torch.Tensor, "*#batch n p"],
        right: Float[torch.Tensor, "*#batch m p"],
    ) -> Float[torch.Tensor, "*#batch n m"]:
        """Return kappa(left_i, right_j), with the scale multiplied by exp(log_scale) if tuned."""
        if self.kernel.kind == "linear":
            return self.kernel.gram(left, right)
        root = (log_scale / 2).exp()[..., None, None]
        return self.kernel.gram(root * left, root * right)

    def tune(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Tuning:
        """Return the hyperparameters on every prefix at every outer step, and how each ended."""
        held_out = HeldOut(self, inputs.double(), outputs.double())
        spans = [log(PENALTY_RANGE), 0 if self.kernel.kind == "linear" else log(SCALE_RANGE)]
        ...

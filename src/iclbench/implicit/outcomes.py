"""How an estimate ended, by name: what happened, and what to try."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from jaxtyping import Float, Int

from iclbench.files import JobError
from iclbench.lazy import torch


class Outcome(Enum):
    """How the solution of an inner problem, of a linear system, or an estimate ended."""

    SOLVED = "What was asked for was found, to the tolerance asked for."
    UNSOLVED = (
        "The linear system is solved to the residual reported, which is above the tolerance. "
        "Allow more steps or terms, or precondition; where the residual does not fall, the inner "
        "Hessian may be singular."
    )
    SINGULAR = (
        "The inner Hessian, or its preconditioner, is singular in working precision, so that the "
        "inner solution is not a function of the hyperparameters. Add a penalty to the inner "
        "objective."
    )
    NOT_CONVEX = (
        "The inner objective curves downwards at x, where conjugate gradients stop. Solve the "
        "inner problem further, or solve the linear system densely."
    )
    SYSTEM_DIVERGED = (
        "The terms of the Neumann series grow. Take a step below 2 over the largest eigenvalue of "
        "the inner Hessian, or conjugate gradients."
    )
    INNER_DIVERGED = (
        "The inner gradient grew under gradient descent, or the inner variables or their Hessian "
        "are not finite. Take a smaller step, below 2 over the largest eigenvalue of the inner "
        "Hessian."
    )
    OUTER_NOT_FINITE = (
        "The outer loss or its gradient is not finite at x. Start the inner problem closer to its "
        "solution, or scale the outer loss down."
    )
    OUT_OF_RANGE = (
        "The change of variables does not reach x: a coordinate is zero, which no exponential is. "
        "Move x, or take another estimator."
    )

    NOT_FINITE = (
        "A derivative in the hyperparameters is not finite. Keep them away from where the inner or "
        "the outer objective is not differentiable."
    )

    @property
    def code(self) -> int:
        """Its place in ``tuple(Outcome)``, by which tensors hold it."""
        return tuple(Outcome).index(self)

    @property
    def is_usable(self) -> bool:
        """Whether there is a number, if perhaps a rough one."""
        return self in (Outcome.SOLVED, Outcome.UNSOLVED)


class HypergradientError(JobError):
    """There is no estimate: how it ended, in a sentence."""


class Solution(NamedTuple):
    """The solution of a linear system A v = b.

    Attributes:
        value: v, of the shape of b.
        residual: |A v - b| / |b|; 0 where b = 0.
        code: How it ended, as ``Outcome.code``.
    """

    value: Float[torch.Tensor, "*shape"]
    residual: Float[torch.Tensor, ""]
    code: Int[torch.Tensor, ""]


class Estimate(NamedTuple):
    """An estimated hypergradient. A NaN in ``value`` never comes without its name.

    Attributes:
        value: The estimate, of the shape of y; NaN if the outcome is not usable.
        residual: |F1^T v - grad_x g| / |grad_x g| of the linear system that was solved, or that of
            Newton's step where it is larger; 0 where none was solved.
        code: How it ended, as ``Outcome.code``.
    """

    value: Float[torch.Tensor, "*shape"]
    residual: Float[torch.Tensor, ""]
    code: Int[torch.Tensor, ""]

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return tuple(Outcome)[int(self.code)]

    def checked(self) -> Float[torch.Tensor, "*shape"]:
        """Return the value.

        Raises:
            HypergradientError: If there is none; the message says what happened and what to try.
        """
        if not self.outcome.is_usable:
            raise HypergradientError(f"{self.outcome.name.lower()}: {self.outcome.value}")
        return self.value


def first(*codes: Int[torch.Tensor, ""]) -> Int[torch.Tensor, ""]:
    """Return the first code that is not ``SOLVED``, or else that."""
    found = codes[-1]
    for code in reversed(codes[:-1]):
        found = torch.where(code == Outcome.SOLVED.code, found, code)
    return found


def code_if(fails: torch.Tensor, outcome: Outcome) -> Int[torch.Tensor, ""]:
    """Return the code of an outcome where something fails, and of ``SOLVED`` elsewhere."""
    return torch.where(fails, outcome.code, Outcome.SOLVED.code)


def finish(
    value: Float[torch.Tensor, "*shape"], residual: Float[torch.Tensor, ""], code: torch.Tensor
) -> Estimate:
    """Return an estimate, without a value where its outcome is not usable."""
    code = first(code, code_if(~value.isfinite().all(), Outcome.NOT_FINITE))
    usable = (code == Outcome.SOLVED.code) | (code == Outcome.UNSOLVED.code)
    return Estimate(torch.where(usable, value, torch.nan), residual, code)

"""Quasi-Newton descent (BFGS and L-BFGS) for least squares on every prefix."""

from __future__ import annotations

from collections import deque
from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.solvers.prefix_iterations import Iterations
from iclbench.solvers.prefix_spectrum import Eigenbases, Spectral, spectrum
from iclbench.solvers.prefixes import reciprocal

ARMIJO, CURVATURE = 1e-4, 0.9
"""The share of the decrease predicted by the slope that a step must reach, and the share of the
slope that it may leave (Wolfe conditions)."""


class BFGS(Spectral):
    """BFGS down 1/2 sum_{s<t} |y_s - W x_s|^2 from W = 0 and H_0 = I, output by output.

    With the gradient g_n = S w_n - X^T y the iteration is d_n = -H_n g_n, w_{n+1} = w_n + a_n d_n
    and, for u = w_{n+1} - w_n, v = g_{n+1} - g_n = S u, r = 1 / u^T v,

        H_{n+1} = (I - r u v^T) H_n (I - r v u^T) + r u u^T

    (Nocedal & Wright 2006, Numerical Optimization, eq. 6.17). H_n g is computed from the pairs
    (u, v) by the two-loop recursion (their algorithm 7.4): with all pairs it is BFGS, with the last
    ``memory`` of them, and H_0 = I throughout, L-BFGS. On a quadratic the searches for a step have
    closed forms in its minimum along the direction, a* = -g^T d / d^T S d (derived):

    * exact: a*, which makes the iterates those of conjugate gradients (Nazareth 1979);
    * backtracking: the first a of 1, 1/2, 1/4, … with f(w + a d) <= f(w) + 1e-4 a g^T d, which is
      a <= 2 (1 - 1e-4) a*;
    * wolfe: what scipy's ``minimize(method="BFGS")`` finds. Its first trial is 1.01/|g| in
      the first iteration and 2.02 (f_{n-1} - f_n) / (-g^T d) later, at most 1; the slope condition
      with 0.9 takes it from 0.1 a* to 1.9 a*. A longer one becomes a*; a shorter one grows (by 4
      times the last growth, but not past a*) until it is taken.

    Works in float64, in the eigenbasis of S, in which H_0 = I is itself and the null space of S is
    never entered. An output whose gradient has fallen to rounding stays as it is.
    """

    kind: Literal["bfgs"] = Field(
        description="BFGS or L-BFGS for least squares on the pairs before t"
    )
    iterations: Iterations = Field(
        default=tuple(range(1, 21)), description="numbers of iterations reported; 0 is the start"
    )
    memory: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="how many of the last pairs of steps and changes of the gradient are kept; "
        "null keeps all (BFGS)",
    )
    line_search: Literal["backtracking", "wolfe", "exact"] = Field(
        default="backtracking",
        description="size of a step: backtracking halves it from 1 until the loss falls enough "
        "(Armijo), wolfe searches as scipy does, exact goes to the minimum along the direction",
    )

    @property
    @override
    def iterates(self) -> tuple[int, ...]:
        return self.iterations

    @override
    def predict_in(
        self,
        bases: Eigenbases,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        values, query, target = spectrum(bases, inputs, outputs)
        values = values.unsqueeze(-1)
        weights = 0.0 * target  # NaN where the pairs seen are not finite
        gradient = -target
        power = _dot(gradient, gradient)
        rounding = power * torch.finfo(power.dtype).eps ** 2
        pairs: deque[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = deque(maxlen=self.memory)
        decrease = torch.zeros_like(power)
        predictions = []
        for n in range(self.iterations[-1] + 1):
            if n in self.iterations:
                predictions.append(torch.einsum("btp,btpq->btq", query, weights))
            is_moving = _dot(gradient, gradient) > rounding
            if not is_moving.any():
                break
            direction = -_inverse_hessian(gradient, pairs)
            # 0 where rounding has left no way down.
            slope = _dot(gradient, direction).clamp(max=0.0)
            curvature = _dot(direction, values * direction)
            best = -slope * reciprocal(curvature)
            match self.line_search:
                case "exact":
                    step = best
                case "backtracking":
                    step = (2 * (1 - ARMIJO) * best).log2().floor().exp2().clamp(max=1.0)
                case "wolfe":
                    trial = power.sqrt() if n == 0 else 2 * decrease
                    step = _wolfe(1.01 * trial * reciprocal(-slope), best)
            step = step.where(is_moving, 0.0)
            decrease = -step * (slope + step * curvature / 2)
            moved = step * direction
            change = values * moved
            weights, gradient = weights + moved, gradient + change
            pairs.append((moved, change, reciprocal(_dot(moved, change))))
        last = torch.einsum("btp,btpq->btq", query, weights)
        predictions += [last] * (len(self.iterations) - len(predictions))
        return torch.stack(predictions).to(inputs.dtype)


def _wolfe(
    trial: Float[torch.Tensor, "b t 1 q"], best: Float[torch.Tensor, "b t 1 q"]
) -> Float[torch.Tensor, "b t 1 q"]:
    """Return the step that the search ends at from a first trial, where ``best`` is the minimum."""
    step = trial.where(trial > 0, 1.0).clamp(max=1.0)
    step = torch.where(step > (1 + CURVATURE) * best, best, step)
    before = torch.zeros_like(step)
    while (is_short := step < (1 - CURVATURE) * best).any():
        longer = torch.minimum(best, step + 4 * (step - before))
        before, step = step.where(is_short, before), longer.where(is_short, step)
    return step


def _dot(
    first: Float[torch.Tensor, "b t p q"], second: Float[torch.Tensor, "b t p q"]
) -> Float[torch.Tensor, "b t 1 q"]:
    return (first * second).sum(-2, keepdim=True)


def _inverse_hessian(
    gradient: Float[torch.Tensor, "b t p q"],
    pairs: deque[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
) -> Float[torch.Tensor, "b t p q"]:
    """Return H g by the two loops over the pairs u, v with 1 / u^T v, oldest first."""
    result, shares = gradient, []
    for u, v, r in reversed(pairs):
        shares.append(r * _dot(u, result))
        result = result - shares[-1] * v
    for u, v, r in pairs:
        result = result + (shares.pop() - r * _dot(v, result)) * u
    return result

"""The estimators that are compared, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from iclbench.implicit import (
    Estimate,
    Problem,
    diagonal,
    exponential,
    ideal,
    preconditioned,
    reparameterised,
    vanilla,
)
from iclbench.lazy import torch

Estimator: TypeAlias = "Callable[[Problem, torch.Tensor, torch.Tensor], Estimate]"

ESTIMATORS: dict[str, Estimator] = {
    "vanilla": vanilla,
    "preconditioned_diagonal": lambda p, x, y: preconditioned(p, x, y, "diagonal"),
    "preconditioned_newton": lambda p, x, y: preconditioned(p, x, y, "newton"),
    "reparameterised_diagonal": lambda p, x, y: reparameterised(p, x, y, diagonal(p, x, y)),
    "reparameterised_exponential": lambda p, x, y: reparameterised(p, x, y, exponential(x)),
    "reparameterised_ideal": lambda p, x, y: reparameterised(p, x, y, ideal(p, x, y)),
}

QUADRATIC = ("reparameterised_ideal",)
"""Those that need a quadratic inner objective."""

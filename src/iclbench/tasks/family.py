"""A family of tasks: a distribution over prompts, with its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float

from iclbench.capabilities import Fact
from iclbench.settings import Settings
from iclbench.tasks.prompts import Prompts


class Family(Settings, ABC):
    """A distribution over prompts; one class a kind of dynamics or of regression.

    Everything is drawn in float64 from the generator that is handed in, all prompts at once.
    """

    kind: str
    """The name of this kind in its room's registry."""

    @property
    @abstractmethod
    def input_dim(self) -> int:
        """p, the dimension of x_t (complex coordinates count twice)."""

    @property
    @abstractmethod
    def output_dim(self) -> int:
        """q, the dimension of y_t."""

    @property
    @abstractmethod
    def facts(self) -> frozenset[Fact]:
        """What holds of every prompt of this family."""

    @property
    @abstractmethod
    def output_power(self) -> float | None:
        """E|y_t|^2 / q averaged over positions, the error of predicting zero, by which errors are
        normalised (d for isotropic linear regression, 1/d on the unit sphere); None where it has no
        closed form and is measured on the prompts instead.
        """

    @abstractmethod
    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw ``batch`` prompts of ``length`` pairs (in sequences: length + 1 states)."""

    def bayes(self, prompts: Prompts) -> Float[np.ndarray, "batch time q"] | None:  # noqa: ARG002
        """Return E[y_t | pairs before t, x_t], which no predictor beats, where it is computable."""
        return None

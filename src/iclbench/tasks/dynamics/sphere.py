"""What the kinds of dynamics on the unit sphere share."""

from __future__ import annotations

from pydantic import Field

from iclbench.capabilities import Fact
from iclbench.tasks.dynamics.dynamics import Dynamics


class SphereDynamics(Dynamics):
    """Noise-free sequences on the unit sphere of R^d: |s_t| = 1 for every t."""

    dim: int = Field(ge=1, le=4096, description="d, dimension of the state")

    @property
    def input_dim(self) -> int:
        """The dimension d of the state."""
        return self.dim

    @property
    def facts(self) -> frozenset[Fact]:
        """A sequence of unit vectors without noise."""
        return super().facts | frozenset[Fact]({"unit-norm inputs"})

    @property
    def output_power(self) -> float:
        """1/d, as |s_t| = 1."""
        return 1 / self.dim

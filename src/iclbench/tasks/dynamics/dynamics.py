"""What the autoregressive kinds share: sequences s_{t+1} = f(s_t) as prompts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from iclbench.capabilities import Fact
from iclbench.tasks.family import Family
from iclbench.tasks.prompts import Prompts


class Dynamics(Family):
    """Sequences s_1, s_2 = f(s_1), … as in-context regression: x_t = s_t, y_t = s_{t+1}."""

    @property
    def output_dim(self) -> int:
        """The dimension of the state, as of the inputs."""
        return self.input_dim

    @property
    def facts(self) -> frozenset[Fact]:
        """A sequence without noise; of scalars if the state has one coordinate."""
        facts = frozenset[Fact]({"autoregressive", "noise-free"})
        return facts | frozenset[Fact]({"scalar outputs"} if self.output_dim == 1 else ())


def orbit(
    step: Callable[[np.ndarray], np.ndarray], start: Float[np.ndarray, "batch p"], length: int
) -> Float[np.ndarray, "batch states p"]:
    """Return the ``length`` + 1 states s_1, step(s_1), step(step(s_1)), … as rows."""
    states = np.empty((length + 1, *start.shape))
    states[0] = start
    for t in range(length):
        states[t + 1] = step(states[t])
    return states.swapaxes(0, 1)


def linear_orbit(
    W: Float[np.ndarray, "batch p p"], start: Float[np.ndarray, "batch p"], length: int
) -> Float[np.ndarray, "batch states p"]:
    """Return the ``length`` + 1 states s_1, W s_1, W^2 s_1, … as rows, each time twice as many.

    W^k is squared along the way, of which the relative error is about k times that of rounding for
    an orthogonal W, as of k products with W.
    """
    states, power = start[:, None], np.ascontiguousarray(W.mT)
    while states.shape[1] <= length:
        states = np.concatenate([states, states @ power], axis=1)
        power = power @ power
    return states[:, : length + 1]


def noise_free_prompts(
    states: Float[np.ndarray, "batch states p"], truth: dict[str, np.ndarray]
) -> Prompts:
    """Return the prompts x_t = s_t, y_t = s_{t+1} of sequences without noise."""
    outputs = states[:, 1:].copy()
    return Prompts(inputs=states[:, :-1].copy(), outputs=outputs, clean=outputs, truth=truth)

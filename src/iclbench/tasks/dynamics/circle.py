"""Sequences of points on circles, s_t = lambda^{t-1} coordinate by coordinate, in real form."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def circle_states(
    angles: Float[np.ndarray, "batch d"], length: int
) -> Float[np.ndarray, "batch states p"]:
    """Return the ``length`` + 1 states (1, …, 1), lambda, lambda^2, … for lambda = exp(i angle).

    A complex coordinate is the pair (re, im) of neighbouring real ones, so p = 2 d. Powers are
    taken of the angle, so that no rounding piles up along the sequence.
    """
    phases = angles[:, None, :] * np.arange(length + 1)[:, None]
    pairs = np.empty((*phases.shape, 2))
    np.cos(phases, out=pairs[..., 0])
    np.sin(phases, out=pairs[..., 1])
    return pairs.reshape(len(angles), length + 1, -1)


def circle_forecast(
    inputs: Float[np.ndarray, "batch time p"], mean: complex = 0.0
) -> Float[np.ndarray, "batch time p"]:
    """Return E[s_{t+1} | s_1, …, s_t] where lambda has this prior mean in every coordinate.

    At the first position it is mean × s_1; from then on lambda = s_t / s_{t-1} is known.
    """
    states = inputs[..., ::2] + 1j * inputs[..., 1::2]
    forecast = mean * states
    forecast[:, 1:] = states[:, 1:] * (states[:, 1:] / states[:, :-1])
    return np.stack([forecast.real, forecast.imag], axis=-1).reshape(inputs.shape)

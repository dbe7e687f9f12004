"""One prompt, as its numbers."""

from __future__ import annotations

import textwrap

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iclbench.plotting.style import STYLE

MOST_LINES = 3
"""Coordinates beyond this are a heat map: as lines none could be followed."""


def draw_prompt(
    title: str,
    inputs: Float[np.ndarray, "time p"],
    outputs: Float[np.ndarray, "time q"],
    *,
    is_sequence: bool,
) -> Figure:
    """Draw a sequence's coordinates in time and its orbit, or the inputs and labels of pairs.

    Pairs have no order, so nothing joins them.

    Args:
        title: What stands above.
        inputs: x, or the states s_1, …, s_T.
        outputs: y, or the next states s_2, …, s_{T+1}.
        is_sequence: Whether outputs are the inputs one step later.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
        figure.suptitle("\n".join(textwrap.wrap(title, 100)), fontsize="medium")
        if is_sequence:
            states = np.concatenate([inputs, outputs[-1:]])
            if states.shape[1] > MOST_LINES:
                _heat_map(left, states, "state")
            else:
                _lines(left, states)
            left.set_xlabel("position $t$")
            if states.shape[1] > 1:
                _orbit(right, states)
            else:
                _next(right, states)
        else:
            _heat_map(left, inputs, "input")
            if outputs.shape[1] == 1:
                _bars(right, outputs[:, 0])
            else:
                _heat_map(right, outputs, "label")
            left.set_xlabel("pair")
            right.set_xlabel("pair")
    return figure


def _heat_map(axes: Axes, rows: np.ndarray, noun: str) -> None:
    time, count = rows.shape
    most = float(np.abs(rows).max()) or 1.0
    edges = (0.5, time + 0.5, count + 0.5, 0.5)
    image = axes.imshow(
        rows.T, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most, extent=edges, origin="upper"
    )
    axes.grid(visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_ylabel(f"coordinate of the {noun}")
    _with_bar(axes, image, None)


def _lines(axes: Axes, states: np.ndarray) -> None:
    for coordinate, values in enumerate(states.T, start=1):
        axes.plot(np.arange(1, len(values) + 1), values, ".-", lw=0.9, ms=3, label=str(coordinate))
    axes.set_ylabel("state")
    if states.shape[1] > 1:
        axes.legend(title="coordinate", ncols=states.shape[1])


def _bars(axes: Axes, labels: np.ndarray) -> None:
    axes.bar(np.arange(1, len(labels) + 1), labels, width=0.7, zorder=2)
    axes.axhline(0, color="0.3", lw=0.6)
    axes.set_ylabel("label")


def _with_bar(axes: Axes, drawn: ScalarMappable, label: str | None) -> None:
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(drawn, ax=axes, label=label or "")


def _orbit(axes: Axes, states: np.ndarray) -> None:
    axes.plot(states[:, 0], states[:, 1], lw=0.5, color="0.75")
    positions = np.arange(1, len(states) + 1)
    points = axes.scatter(states[:, 0], states[:, 1], c=positions, s=10, cmap="viridis", zorder=2)
    _with_bar(axes, points, "position $t$")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("coordinate 1")
    axes.set_ylabel("coordinate 2")


def _next(axes: Axes, states: np.ndarray) -> None:
    axes.plot(states[:-1, 0], states[1:, 0], ".", ms=4)
    axes.set_xlabel("$s_t$")
    axes.set_ylabel("$s_{t+1}$")

"""Minor ticks joined to one line look as they did."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from iclbench.plotting.style import STYLE
from iclbench.plotting.ticks import join_minor_ticks


def panel(scale: str, low: float, high: float) -> Axes:
    with mpl.rc_context(STYLE):
        axes = Figure(figsize=(2, 2), dpi=200).add_axes((0.2, 0.2, 0.7, 0.7))
        axes.plot([low, high], [low, high], color="tab:red")
        axes.set(xscale=scale, yscale=scale, xlim=(low, high), ylim=(high, low))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
    return axes


def pixels(axes: Axes, *, joined: bool) -> np.ndarray:
    figure = axes.figure
    assert isinstance(figure, Figure)
    with mpl.rc_context(STYLE):
        if joined:
            join_minor_ticks(axes.xaxis)
            join_minor_ticks(axes.yaxis)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
@pytest.mark.parametrize("change", ["nothing", "hidden axis", "no axes"])
def test_joined_ticks_are_the_same_pixels(scale: str, change: str) -> None:
    def changed() -> Axes:
        axes = panel(scale, 0.003, 40.0)
        if change == "hidden axis":
            axes.yaxis.set_visible(False)
        elif change == "no axes":
            axes.set_axis_off()
        return axes

    np.testing.assert_array_equal(pixels(changed(), joined=True), pixels(changed(), joined=False))


def test_the_ticks_are_seen_and_are_one_line() -> None:
    axes = panel("log", 0.003, 40.0)
    without = panel("log", 0.003, 40.0)
    without.xaxis.set_minor_locator(NullLocator())
    without.yaxis.set_minor_locator(NullLocator())
    assert (pixels(axes, joined=True) != pixels(without, joined=False)).any()
    assert len(axes.lines) == 3  # the curve, and one an axis
    assert all(len(axis.minorTicks) == 1 for axis in (axes.xaxis, axes.yaxis))


def test_named_ticks_stay_ticks() -> None:
    axes = panel("log", 1.0, 5.0)
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}")
    join_minor_ticks(axes.yaxis)
    assert len(axes.lines) == 1

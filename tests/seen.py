"""What is seen of a figure: its panels, their named curves, what hides what, what is cut off."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg


def lines_of(axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the named curves of a panel, those with error bars too."""
    handles, names = axes.get_legend_handles_labels()
    assert len(set(names)) == len(names)
    found = {}
    for handle, name in zip(handles, names, strict=True):
        line = handle.lines[0] if hasattr(handle, "lines") else handle
        found[name] = tuple(np.asarray(each, dtype=float) for each in line.get_data())
    return found


def panel(figure, title):
    (found,) = (axes for axes in figure.axes if axes.get_title(loc="left") == title)
    return found


def agrees(line, rows, along, shift=0.0):
    """Check that a line is the values of the table's rows, of which there are some."""
    rows = rows.sort_values(along)
    line = [np.asarray(each, dtype=float) for each in line]
    assert len(rows)
    np.testing.assert_allclose(line[0] - shift, rows[along].astype(float), atol=1e-12)
    np.testing.assert_allclose(line[1], rows["value"].astype(float), rtol=1e-12)


def overlaps(figure) -> list[str]:
    """Return the pairs of panels, titles and keys that lie over one another."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [(f"panel {i}", axes.get_tightbbox(renderer)) for i, axes in enumerate(figure.axes)]
    boxes += [("key", key.get_window_extent(renderer)) for key in figure.legends]
    boxes += [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    return [
        f"{one}; {other}"
        for i, (one, a) in enumerate(boxes)
        for other, b in boxes[i + 1 :]
        if a.overlaps(b)
    ]


def assert_inside(figure) -> None:
    """Check that all of a figure is on its page."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    page = figure.bbox
    for artist in (*figure.axes, *figure.texts, *figure.legends):
        box = artist.get_tightbbox(renderer)
        assert box.x0 >= page.x0 - 1, artist
        assert box.y0 >= page.y0 - 1, artist
        assert box.x1 <= page.x1 + 1, artist
        assert box.y1 <= page.y1 + 1, artist

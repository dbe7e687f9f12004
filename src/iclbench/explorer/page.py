"""The page, which needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment
from plotly.offline import get_plotlyjs

from iclbench.explorer.curves import METRICS, tables_of
from iclbench.files import written_aside
from iclbench.plotting.style import COLOURS, FAMILIES


def write_page(paths: Sequence[Path], page: Path) -> None:
    """Write the page on which curves of tables of rows can be chosen.

    Args:
        paths: The tables of rows, of one study and task each.
        page: The HTML file to write; links to rows are relative to its folder.
    """
    data = {
        "tables": tables_of(paths, page.parent),
        "metrics": METRICS,
        "families": FAMILIES,
        "colours": COLOURS,
    }
    text = files("iclbench.explorer").joinpath("page.html.j2").read_text(encoding="utf-8")
    # "</" would end the script that holds the data.
    plain = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    html = Environment(autoescape=True).from_string(text).render(data=plain, plotly=get_plotlyjs())
    with written_aside(page) as aside:
        aside.write_text(html, encoding="utf-8")

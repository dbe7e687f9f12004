"""The settings of a run as a web page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from iclbench.files import written_aside

PACKAGE = "iclbench.overview"


def write_page(settings: Mapping[str, Any], path: Path) -> None:
    """Write the page.

    Args:
        settings: The ``run``, its ``scale``, and by name its ``tasks``, ``models``, ``solvers`` and
            ``studies``, each with a ``summary``, and ``settings`` as in YAML; and the versions of
            the ``libraries`` that compute.
        path: The HTML file.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["yaml"] = lambda value: yaml.safe_dump(
        value, sort_keys=False, allow_unicode=True, width=90
    )
    text = files(PACKAGE).joinpath("page.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(text).render(**settings)
    with written_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")

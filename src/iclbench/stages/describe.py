"""Write the page of the run's settings."""

from __future__ import annotations

import json
from pathlib import Path

from iclbench.overview.page import write_page
from iclbench.stages.job import read_job


def describe(plan: Path, page: Path) -> None:
    """Write the page.

    Args:
        plan: The job's plan: all settings of the run.
        page: The HTML file to write.
    """
    settings = read_job(plan).settings
    settings.pop("page")
    versions = json.loads(plan.read_text(encoding="utf-8"))["versions"]
    write_page(settings, versions, page)

"""Write the page of the run's settings."""

from __future__ import annotations

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
    write_page(settings, page)

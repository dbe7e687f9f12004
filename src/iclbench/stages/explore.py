"""Write the page on which the run's rows can be looked through."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iclbench.explorer.page import write_page


def explore(plan: Path, rows: Sequence[Path], page: Path) -> None:
    """Write the page.

    Args:
        plan: The job's plan, which says when the page is out of date.
        rows: Tables of rows that compare methods on a task.
        page: The HTML file to write.
    """
    del plan
    write_page(rows, page)

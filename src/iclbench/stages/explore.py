"""Write the page on which the run's rows can be looked through."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iclbench.explorer.page import write_page


def explore(rows: Sequence[Path], page: Path) -> None:
    """Write the page.

    Args:
        rows: Tables of rows that compare methods on a task.
        page: The HTML file to write.
    """
    write_page(rows, page)

"""Gather the verdicts of all claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iclbench.claims.page import write_page
from iclbench.claims.scorecard import read_verdicts, write_scorecard
from iclbench.claims.terminal import as_text
from iclbench.files import JobError


class UnexpectedVerdictError(JobError):
    """A claim is not supported, or a control is not refuted, at a scale that can decide it."""


def report(verdicts: Sequence[Path], table: Path, page: Path) -> None:
    """Write the scorecard.

    Args:
        verdicts: The verdicts, one file a study.
        table: The Parquet file to write, one row a claim.
        page: The HTML page to write.
    """
    scorecard = read_verdicts(verdicts)
    write_scorecard(scorecard, table)
    write_page(scorecard, page)


def check_expected(table: Path) -> None:
    """Check that all verdicts are as expected.

    Args:
        table: The scorecard's Parquet file.

    Raises:
        UnexpectedVerdictError: If one is not.
    """
    scorecard = read_verdicts([table])
    unexpected = scorecard[scorecard["as_expected"].eq(False)]
    if len(unexpected):
        text = as_text(unexpected, colour=False)
        raise UnexpectedVerdictError(f"{text}\n{len(unexpected)} verdicts are not as expected")

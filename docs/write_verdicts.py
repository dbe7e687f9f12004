"""Write ``docs/verdicts.csv`` from a finished run: `python docs/write_verdicts.py [FOLDER]`.

FOLDER is a checkout of this repository in which the run was made, by default this one. The table
is what the pages on papers show, and names the commit and the scale that it is from.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pandas as pd

from iclbench.claims.scorecard import read_verdicts

HERE = Path(__file__).parent
COLUMNS = ("study", "claim", "control", "verdict", "effect", "low", "high", "scale", "seeds")


def write_verdicts(folder: Path, path: Path) -> None:
    """Write the verdicts of the run in a folder, and the commit that the folder is at.

    Raises:
        SystemExit: If the sources there are not those of a commit.
    """
    if _git(folder, "status", "--porcelain", "--", "src", "config", "config.yaml"):
        sys.exit(f"{folder}: has changes that are not committed; commit them, run, and come back")
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    verdicts = read_verdicts([folder / "results" / "claims" / "scorecard.parquet"])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, "commit"))
        for row in verdicts.itertuples(index=False):
            name = row.id.partition("/")[2]
            effect = map(_short, (row.value, row.low, row.high))
            control = str(row.control).lower()
            writer.writerow(
                (row.study, name, control, row.verdict, *effect, row.scale, row.seeds, commit)
            )


def _short(value: float) -> str:
    """Return five digits of a number, nothing for none: pages show no more."""
    return "" if pd.isna(value) else f"{value:.5g}"


def _git(folder: Path, *arguments: str) -> str:
    found = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


if __name__ == "__main__":
    write_verdicts(Path(*sys.argv[1:2]), HERE / "verdicts.csv")

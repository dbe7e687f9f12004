"""Copies of this project in which Snakemake runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.environment import ROOT


def copied(folder: Path) -> Path:
    """Copy this repository's files, as they are now, into a folder; return the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source, target = ROOT / name, folder / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target, follow_symlinks=False)
    return folder


def snakemake(folder: Path, *arguments: str) -> str:
    """Run Snakemake in a folder; return what it printed.

    Raises:
        RuntimeError: If it fails.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if found.returncode:
        raise RuntimeError(f"{folder}: snakemake {' '.join(arguments)} failed:\n{found.stdout}")
    return found.stdout

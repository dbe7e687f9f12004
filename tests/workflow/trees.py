"""Copies of the tree in which Snakemake runs for real."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trees import copied


@dataclass(frozen=True)
class Tree:
    """A copy of this repository's files, with what its runs have made."""

    path: Path
    python: str = sys.executable

    def start(self, *arguments):
        """Start Snakemake; return the process."""
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CI")}
        return subprocess.Popen(
            [self.python, "-m", "snakemake", *arguments],
            cwd=self.path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def snakemake(self, *arguments):
        """Run Snakemake; return what it printed."""
        process = self.start(*arguments)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def due(self, *arguments):
        """Return the outputs that Snakemake would make, the aggregating targets aside."""
        output = self.snakemake(*arguments, "-n")
        made = re.findall(r"^    output: (.+)$", output, re.MULTILINE)
        assert made or "Nothing to be done" in output
        return {path for paths in made for path in paths.split(", ")}

    def copy(self, path):
        """Return a copy with the same times."""
        shutil.copytree(self.path, path, symlinks=True)
        return Tree(path, self.python)


def fresh_tree(path):
    """Return a copy of this repository's files as they are now, set to smoke scale."""
    copied(path)
    config = path / "config.yaml"
    config.write_text(config.read_text().replace("scale: laptop", "scale: smoke"))
    return Tree(path)

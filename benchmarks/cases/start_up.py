"""What it takes until a process can begin its work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.case import Aim, Case, Comparison, Options
from benchmarks.timing import timed
from iclbench.warm import LOADED

AIM = Aim("excess", 0.1)
LARGE = ("torch", "pytorch_lightning", "scipy", "matplotlib", "seaborn", "pandas", "pyarrow")
NONE = "no large library"


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the package beside Python alone, then its settings, its plan and each stage."""
    yield Comparison(
        series="iclbench",
        size=", ".join(loaded("iclbench")) or NONE,
        ours=timed(partial(python, "import iclbench")),
        reference=timed(partial(python, "pass")),
        aims=(AIM,),
        warm_up=(),
    )
    parts = {
        "plan, kept": "iclbench.outlook",
        "settings": "iclbench.config.reading",
        "plan": "iclbench.planning",
    }
    parts |= {f"stage {stage}": modules[0] for stage, modules in LOADED.items()}
    for series, module in list(parts.items())[: 1 if options.small else None]:
        yield Comparison(
            series=series,
            size=", ".join(loaded(module)) or NONE,
            ours=timed(partial(python, f"import {module}")),
            warm_up=(),
            at_most=2,
        )


def loaded(module: str) -> list[str]:
    """Return the large libraries that come with importing a module."""
    printed = python(f"import sys, {module}; print(*sys.modules)").split()
    return [name for name in LARGE if name in printed]


def python(statement: str) -> str:
    """Run a statement in a Python of its own; return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", statement], capture_output=True, text=True, check=True
    ).stdout


CASE = Case(
    name="start_up",
    summary="importing the package, its settings and each stage, in a process of its own (as "
    "size, the large libraries that come with it)",
    reference="Python alone: python -c pass",
    comparisons=comparisons,
)

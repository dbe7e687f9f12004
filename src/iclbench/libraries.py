"""The libraries that compute, stage by stage."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

LIBRARIES = {
    "prompts": ("numpy", "scipy"),
    "train": ("numpy", "scipy", "torch", "pytorch-lightning"),
    "predict": ("numpy", "torch"),
    "measure": ("numpy", "scipy", "scikit-learn", "torch"),
    "examine": ("numpy", "scipy", "torch"),
    "draw": ("numpy", "scipy", "pandas", "matplotlib", "seaborn"),
    "decide": ("numpy", "scipy", "pandas"),
    "report": ("pandas", "jinja2"),
    "describe": ("jinja2", "pyyaml"),
    "explore": ("numpy", "scipy", "pandas", "jinja2", "plotly"),
}
"""What computes, in each stage: another version of it makes a job out of date."""


@cache
def version_of(library: str) -> str:
    """Return the version of a library; its builds, for a CPU or a GPU, count as one."""
    return version(library).partition("+")[0]

"""The cases, a file each: ``CASE`` says what is compared with what."""

from __future__ import annotations

from importlib import import_module

from benchmarks.case import Case

NAMES = (
    "solver_sweep",
    "kaczmarz",
    "causal_kernel_descent",
    "kernel_ridge",
    "linear_attention",
    "published_loss",
    "gpt2_step",
    "lightning",
    "aggregation",
    "start_up",
    "dry_run",
    "usage",
)
"""In the order in which they run."""


def case(name: str) -> Case:
    """Return the case of this name."""
    return import_module(f"benchmarks.cases.{name}").CASE

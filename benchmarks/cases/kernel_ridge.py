"""Kernel ridge regression on every prefix."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.case import Case, Comparison, Options
from benchmarks.references import prefixes
from benchmarks.sequences import DIM, beside, growing
from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.kernel_ridge import KernelRidge

PENALTY = 0.01


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield two kernels beside a solve a prefix, and the growth of one with T."""
    exponential = KernelRidge(
        kind="kernel_ridge", kernel=inner_product_kernel("exponential"), penalty=PENALTY
    )
    linear = KernelRidge(
        kind="kernel_ridge", kernel=inner_product_kernel("linear"), penalty=PENALTY
    )
    for name, method, gram in (
        ("exponential", exponential, prefixes.exponential),
        ("linear", linear, prefixes.linear),
    ):
        yield from beside(name, method, partial(prefixes.kernel_ridge, gram, PENALTY), options)
    yield from growing("exponential", exponential, lambda T: T**3 / 3 + T**2 * 3 * DIM, 3, options)


CASE = Case(
    name="kernel_ridge",
    summary="kernel ridge regression on every prefix of a sequence, one factorisation for all",
    reference="our own plain version of common practice: one numpy.linalg.solve a prefix",
    comparisons=comparisons,
)

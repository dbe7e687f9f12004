"""One Kaczmarz pass over every prefix."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.case import Case, Comparison, Options
from benchmarks.references import prefixes
from benchmarks.sequences import DIM, beside, growing
from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.kaczmarz import Kaczmarz


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the pass in two spaces beside loops over pairs, and its growth with T."""
    linear = Kaczmarz(kind="kaczmarz")
    exponential = Kaczmarz(kind="kaczmarz", kernel=inner_product_kernel("exponential"))
    yield from beside("linear", linear, partial(prefixes.kaczmarz, prefixes.linear), options)
    yield from beside(
        "exponential", exponential, partial(prefixes.kaczmarz, prefixes.exponential), options
    )
    yield from growing("linear", linear, operations, 2, options)
    yield from growing("exponential", exponential, operations, 2, options)


def operations(T: int) -> float:
    """Return those of the Gram matrix's half, the triangular solve and the product."""
    return T**2 * (DIM + 2 * DIM)


CASE = Case(
    name="kaczmarz",
    summary="one Kaczmarz pass on every prefix of a sequence, one triangular solve for all",
    reference="our own plain version of a pass in time's order: a loop over pairs, for every "
    "prefix anew (numpy)",
    comparisons=comparisons,
)

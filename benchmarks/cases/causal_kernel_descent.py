"""Causal kernel descent at all depths and in the limit, on every prefix."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.case import Case, Comparison, Options
from benchmarks.references import prefixes
from benchmarks.sequences import DIM, beside, growing
from iclbench.attention.exponential import Exponential
from iclbench.solvers.causal_kernel_descent import CausalKernelDescent

DEPTHS = (1, 2, 4, 8, 16, 32, 64)
STEP = 0.3


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the limit and a sweep of depths beside loops over prefixes, and their growth with T."""
    attention = Exponential(kind="exponential")
    limit = CausalKernelDescent(kind="causal_kernel_descent", attention=attention, depths="limit")
    swept = CausalKernelDescent(
        kind="causal_kernel_descent", attention=attention, step=STEP, relative=True, depths=DEPTHS
    )
    solved = partial(prefixes.causal_descent_limit, prefixes.exponential)
    looped = partial(prefixes.causal_descent, prefixes.exponential, STEP, DEPTHS)
    yield from beside("limit of depth", limit, solved, options)
    yield from beside(f"depths 1 to {DEPTHS[-1]}", swept, looped, options)
    yield from growing("limit of depth", limit, lambda T: T**2 * 3 * DIM, 2, options)
    layers = DEPTHS[-1] + len(DEPTHS)
    yield from growing(
        f"depths 1 to {DEPTHS[-1]}", swept, lambda T: T**2 * (1 + layers) * DIM, 2, options
    )


CASE = Case(
    name="causal_kernel_descent",
    summary="causal kernel descent with the exponential kernel on every prefix of a sequence",
    reference="our own plain version of the recursion as it is stated for one prompt: every prefix "
    "anew, layer by layer, and in the limit by one solve (numpy)",
    comparisons=comparisons,
)

"""Linear attention on long prompts, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.agreement import largest_difference
from benchmarks.case import Aim, Case, Comparison, Growth, Options
from benchmarks.floors import copy_rate, product_rate
from benchmarks.references import masked_attention
from benchmarks.timing import timed
from iclbench.attention.linear import Linear
from iclbench.lazy import torch
from iclbench.streams import stream

LENGTH = 8192
FLOAT = 4
"""Bytes."""
AIMS = (Aim("ratio", 10), Aim("floors", 3))
TOLERANCE = 1e-4
"""float32, sums of up to 8192 products."""


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield heads of three widths beside the masked form, and the growth of one with T."""
    attention = Linear(kind="linear")
    length = 256 if options.small else LENGTH
    for width in (16, 32, 64):
        parts = drawn(length, width)
        yield Comparison(
            series=f"width {width}",
            size=f"T = {length}",
            ours=timed(partial(differentiated, attention.attend, *parts)),
            reference=timed(partial(differentiated, masked_attention.attend, *parts)),
            floor=floor(length, width),
            aims=AIMS,
            difference=lambda ours, theirs: largest_difference(torch.cat(ours), torch.cat(theirs)),
            tolerance=TOLERANCE,
        )
    for length in (256, 512) if options.small else (256, 512, 1024, 2048, 4096, 8192, 16384):
        yield Comparison(
            series="width 32",
            size=f"T = {length}",
            ours=timed(partial(differentiated, attention.attend, *drawn(length, 32))),
            floor=floor(length, 32),
            growth=Growth("T", length, exponent=1),
        )


def drawn(length: int, width: int) -> list[torch.Tensor]:
    """Return query, key, value and the gradient that comes back, of one head."""
    numbers = stream("benchmarks", "linear_attention").standard_normal((4, 1, length, width))
    return list(torch.from_numpy(numbers / width**0.5).float())


def differentiated(
    attend: Callable[..., torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    gradient: torch.Tensor,
) -> list[torch.Tensor]:
    """Return the output and the gradients by query, key and value."""
    parts = [part.detach().requires_grad_() for part in (query, key, value)]
    output = attend(*parts)
    output.backward(gradient)
    return [output.detach(), *(part.grad for part in parts if part.grad is not None)]


def floor(length: int, width: int) -> float:
    """Return the seconds of the recurrent form, if all went as fast as products and copies do.

    Forward, S_t = S_{t-1} + v_t k_t^T and S_t q_t; backward, the same for the state's gradient, and
    a product of each state with its partner for the gradients of query, key and value: six times
    2 width^2 operations a position, S_t being kept. Read are q, k, v and the gradient that comes
    back, written are the output and three gradients.
    """
    operations = 6 * 2 * length * width**2
    moved = 8 * length * width * FLOAT
    return max(operations / product_rate("float32"), moved / copy_rate())


CASE = Case(
    name="linear_attention",
    summary="Linear.attend on one head of a long prompt, forward and backward, float32",
    reference="our own plain version of the usual code, as in the notebooks of Sander et al. 2024 "
    "(arXiv 2402.05787): the matrix of all pairs, masked",
    comparisons=comparisons,
    repetitions=3,
)

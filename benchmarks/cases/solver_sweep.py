"""All iterates of Newton's iteration and of gradient descent on every prefix."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.agreement import largest_difference
from benchmarks.case import Aim, Case, Comparison, Growth, Options
from benchmarks.references import solvers
from benchmarks.report import counted
from benchmarks.timing import timed
from iclbench.lazy import torch
from iclbench.method import Method
from iclbench.solvers.gradient_descent import GradientDescent
from iclbench.solvers.newton import Newton
from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression

DIM = 20
PAIRS = 41
NEWTON = tuple(range(1, 24))
DESCENT = tuple(range(1, 201))
AIM = Aim("ratio", 100)
TOLERANCE = 1e-8


def prompts(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and outputs of the linear task, in float64."""
    drawn = LinearRegression(kind="linear", dim=DIM).sample(
        stream("benchmarks", "solver_sweep"), count, PAIRS
    )
    return torch.from_numpy(drawn.inputs), torch.from_numpy(drawn.outputs)


def newton() -> Newton:
    """Return all 23 iterations of the paper's figures."""
    return Newton(kind="newton", iterations=NEWTON)


def descent(iterations: tuple[int, ...] = DESCENT) -> GradientDescent:
    """Return gradient descent with the step size 1 / l_max of each prefix."""
    return GradientDescent(kind="gradient_descent", step="stable", iterations=iterations)


def compared(
    series: str, method: Method, iteration: solvers.Iteration, count: int, *, anew: bool
) -> Comparison:
    """Return a method beside the loop over prompts and prefixes."""
    x, y = prompts(count)
    return Comparison(
        series=series,
        size=f"{counted(count, 'prompt')} × {PAIRS} pairs",
        ours=timed(partial(method.predict, x, y)),
        reference=timed(partial(solvers.sweep, iteration, x, y, method.iterates, anew=anew)),
        aims=(AIM,) if anew else (),
        difference=largest_difference,
        tolerance=TOLERANCE,
        warm_up=("ours",),
    )


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield both solvers beside loops, and their growth with the number of prompts."""
    many, some, few = (2, 1, 1) if options.small else (64, 16, 2)
    yield compared("newton, in one pass", newton(), solvers.newton, many, anew=False)
    yield compared("descent, in one pass", descent(), solvers.gradient_descent, many, anew=False)
    yield compared("newton, each anew", newton(), solvers.newton, some, anew=True)
    yield compared("descent, each anew", descent(), solvers.gradient_descent, few, anew=True)
    for series, method in {"newton": newton(), "descent": descent()}.items():
        for count in (16, 32) if options.small else (16, 64, 256, 1024):
            x, y = prompts(count)
            yield Comparison(
                series=series,
                size=f"{count} prompts",
                ours=timed(partial(method.predict, x, y)),
                growth=Growth("prompts", count, exponent=1),
            )


CASE = Case(
    name="solver_sweep",
    summary=f"Newton's iteration (1 to {NEWTON[-1]}) and gradient descent (1 to {DESCENT[-1]}) on "
    f"every prefix of linear regression, d = {DIM}, float64",
    reference="our own plain version of the public scripts of Fu et al. 2024 (arXiv 2310.17086): "
    "loops over prompts and prefixes with small torch matrices. They make a solver for each number "
    "of steps, which starts anew; in one pass is kinder, and predicts along the way",
    comparisons=comparisons,
    repetitions=3,
)

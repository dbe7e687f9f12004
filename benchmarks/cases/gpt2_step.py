"""A step of training a small GPT-2."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from time import perf_counter
from typing import Any, Literal

from benchmarks.agreement import largest_difference
from benchmarks.case import Aim, Case, Comparison, LeftOutError, Options, Run
from benchmarks.ensemble import Stepper, built
from benchmarks.floors import multiplies_bfloat16, product_rate
from iclbench.lazy import torch
from iclbench.models.gpt2 import GPT2
from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.settings import Training

Precision = Literal["float32", "bf16-mixed"]

NAMES = ("benchmarks", "gpt2_step")
MODEL = GPT2(kind="gpt2", layers=3, width=64, heads=2)
DIM = 20
PAIRS = 41
BATCH = 64
RATE = 1e-3
AIM = Aim("ratio", 2)
CHECKED = 20
"""Steps whose losses both sides are compared by; later rounding grows tenfold in some ten steps."""
TOLERANCE: dict[Precision, float] = {"float32": 1e-4, "bf16-mixed": 1e-3}
PRODUCTS: dict[Precision, Literal["float32", "bfloat16"]] = {
    "float32": "float32",
    "bf16-mixed": "bfloat16",
}
"""The numbers that products are of."""


def prompts(batch: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the batch that both sides are trained on, drawn before the clock runs.

    It is the same at every step, so that it is learned by heart, and the loss falls in few steps.
    """
    drawn = LinearRegression(kind="linear", dim=DIM).sample(stream(*NAMES, seed), batch, PAIRS)
    return torch.from_numpy(drawn.inputs).float(), torch.from_numpy(drawn.outputs).float()


def ours(precision: Precision, steps: int, batch: int, seed: int) -> Run:
    """Train our network by Adam."""
    training = Training(steps=steps, batch=batch, learning_rate=RATE, precision=precision)
    stepper = Stepper(built(MODEL, DIM, 1, PAIRS, training, NAMES, [seed]))
    inputs, outputs = (part[None] for part in prompts(batch, seed))
    curve = []
    began = perf_counter()
    for number in range(1, steps + 1):
        loss = float(stepper.step(inputs, outputs))
        curve.append((number, perf_counter() - began, loss))
    return _run(curve)


def theirs(changes: dict[str, Any], steps: int, batch: int, seed: int) -> Run:
    """Train transformers' network by Adam, from the same weights."""
    from benchmarks.references.gpt2 import Regressor

    network = Regressor(MODEL, DIM, PAIRS, **changes)
    training = Training(steps=steps, batch=batch, learning_rate=RATE)
    state = built(MODEL, DIM, 1, PAIRS, training, NAMES, [seed]).state()
    network.take({name: part[0].detach() for name, part in state.items()}, MODEL.layers)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    inputs, outputs = prompts(batch, seed)
    curve = []
    began = perf_counter()
    for number in range(1, steps + 1):
        optimizer.zero_grad()
        loss = (network(inputs, outputs) - outputs).square().mean()
        loss.backward()
        optimizer.step()
        curve.append((number, perf_counter() - began, float(loss.detach())))
    return _run(curve)


def _run(curve: list[tuple[int, float, float]]) -> Run:
    """Return a run of these steps."""
    return Run(curve[-1][1], [loss for *_, loss in curve[:CHECKED]], curve)


def comparisons(options: Options) -> Iterator[Comparison]:
    """Yield the same function in both, with the loss's curves, and transformers as it comes.

    Raises:
        LeftOutError: If transformers is not installed.
    """
    if find_spec("transformers") is None:
        raise LeftOutError(
            "transformers is not installed: python -m pip install -c constraints.txt -e '.[bench]'"
        )
    batch = 4 if options.small else BATCH
    exact, default = {"activation_function": "gelu"}, {}
    precisions: list[Precision] = ["float32"]
    if multiplies_bfloat16():
        precisions.append("bf16-mixed")
    for precision in precisions:
        for series, changes, steps in (
            ("same function", exact, 3 if options.small else 200),
            ("transformers' defaults", default, 3 if options.small else 20),
        ):
            yield Comparison(
                series=series if precision == "float32" else f"{series}, bf16",
                size=f"{steps} steps of {batch}",
                ours=partial(ours, precision, steps, batch),
                reference=partial(theirs, changes, steps, batch),
                floor=steps * operations(batch) / product_rate(PRODUCTS[precision]),
                aims=(AIM,),
                difference=largest_difference if changes else None,
                tolerance=TOLERANCE[precision] if changes else None,
                warm_up=(),
            )


def operations(batch: int) -> float:
    """Return those of a step: products with weights, and of attention the half that is seen.

    Forward, each token is multiplied with 12 width^2 weights a layer, and attends to half of all
    tokens on average by two products of its width; backward, twice as much.
    """
    tokens = 2 * PAIRS - 1
    weights = 12 * MODEL.width**2
    attention = 2 * MODEL.width * tokens / 2
    return 3 * 2 * batch * tokens * MODEL.layers * (weights + attention)


CASE = Case(
    name="gpt2_step",
    summary=f"training a GPT-2 ({MODEL.width} wide, {MODEL.layers} layers, {MODEL.heads} heads, "
    f"d = {DIM}, {PAIRS} pairs) by Adam, the drawing of data aside",
    reference="the same architecture on transformers' GPT2Model, as in the public code of Garg et "
    "al. 2022 (arXiv 2208.01066) and Fu et al. 2024, from the same weights on the same batch, in "
    "float32 also where ours is in bf16-mixed",
    comparisons=comparisons,
    repetitions=2,
)

"""What the measurements share: Gaussian processes, one a seed, and prompts of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field, PrivateAttr
from typing_extensions import override

from iclbench.kernels.kernel import Kernel
from iclbench.streams import stream
from iclbench.tasks.draws import unit_vectors
from iclbench.tasks.prompts import Prompts
from iclbench.tasks.regression.gaussian_process import GaussianProcess

Spectrum = Annotated[
    tuple[Annotated[float, Field(gt=0)], ...],
    Field(min_length=1, max_length=4096, description="eigenvalues of Sigma, d of them"),
]

SPECTRUM = (1.0, 1.0, 0.25, 2.25, 1.0)

REMEMBERED = 2**28
"""How many bytes of drawn prompts a process remembers."""

AHEAD = 320
"""About how many prompts of the next segments of a stream are drawn with those asked for."""


class Drawn(NamedTuple):
    """Prompts of a Gaussian process, and the law of each label given those before it."""

    inputs: Float[np.ndarray, "prompt time p"]
    outputs: Float[np.ndarray, "prompt time 1"]
    weights: Float[np.ndarray, "prompt time time"]
    variances: Float[np.ndarray, "prompt time"]


def drawn(
    task: GaussianProcess, rngs: Sequence[np.random.Generator], batch: int, length: int
) -> Drawn:
    """Return the prompts that the process samples from each generator in turn, drawn together."""
    pairs = [
        (unit_vectors(rng, batch, length, task.input_dim), rng.standard_normal((batch, length)))
        for rng in rngs
    ]
    xi, normals = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return labelled(task, xi @ task.covariance_root, normals)


def labelled(
    task: GaussianProcess,
    inputs: Float[np.ndarray, "prompt time p"],
    normals: Float[np.ndarray, "prompt time"],
) -> Drawn:
    """Return prompts whose labels are their conditional means plus the deviations times these."""
    weights, variances = task.conditionals(inputs)
    outputs = np.sqrt(variances) * normals
    for t in range(inputs.shape[1]):
        outputs[:, t] += np.vecdot(weights[:, t, :t], outputs[:, :t])
    return Drawn(inputs, outputs[..., None], weights, variances)


class Remembering(GaussianProcess):
    """A Gaussian process that remembers its prompts: many models are trained on the same ones.

    With the prompts of a step of a stream it draws those of the next steps, which training will
    ask for: together they take fewer operations.
    """

    _steps: dict[tuple[bytes, int, int, int], Prompts] = PrivateAttr(default_factory=dict)

    @override
    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        """Draw as any Gaussian process does; the generator is that of a step of a stream."""
        state = rng.bit_generator.state["state"]
        key, (*within, step) = state["key"], state["counter"].tolist()
        if any(within):
            raise ValueError(
                f"the generator is {within} into step {step} of its stream, but prompts are "
                "remembered by step; hand in one that nothing was drawn from"
            )
        asked = key.tobytes(), step, batch, length
        if asked not in self._steps:
            steps = range(step, step + max(1, AHEAD // batch))
            generators = [
                np.random.Generator(np.random.Philox(key=key, counter=each << 192))
                for each in steps
            ]
            found = drawn(self, generators, batch, length)
            size = (found.inputs.nbytes + found.outputs.nbytes) // len(steps)
            if size * (len(self._steps) + len(steps)) > REMEMBERED:
                self._steps.clear()
            for at, each in enumerate(steps):
                part = slice(at * batch, (at + 1) * batch)
                outputs = found.outputs[part]
                prompts = Prompts(inputs=found.inputs[part], outputs=outputs, clean=outputs)
                self._steps[asked[0], each, batch, length] = prompts
        return self._steps[asked]


def process(
    kernel: Kernel,
    spectrum: tuple[float, ...],
    seed: int,
    whitened: bool = False,
) -> Remembering:
    """Return the process of a seed, which has a covariance of its own."""
    return Remembering(
        kind="gaussian_process",
        kernel=kernel,
        spectrum=spectrum,
        covariance_seed=seed,
        whitened=whitened,
    )


@dataclass(frozen=True)
class Held:
    """Prompts of n pairs and a query, with what is known of the query's label.

    Attributes:
        inputs: x_1, …, x_{n+1}.
        outputs: y_1, …, y_{n+1}.
        bayes: The mean of y_{n+1} given the rest.
        variance: Its variance given the rest, of which the mean over prompts is the Bayes loss.
    """

    inputs: Float[np.ndarray, "prompt time p"]
    outputs: Float[np.ndarray, "prompt time 1"]
    bayes: Float[np.ndarray, " prompt"]
    variance: Float[np.ndarray, " prompt"]


def held_out(task: GaussianProcess, names: tuple[str | int, ...], prompts: int, pairs: int) -> Held:
    """Draw prompts to test on, from the stream of these names."""
    found = drawn(task, [stream(*names, "evaluation")], prompts, pairs + 1)
    return Held(
        inputs=found.inputs,
        outputs=found.outputs,
        bayes=np.vecdot(found.weights[:, -1], found.outputs[..., 0]),
        variance=found.variances[:, -1],
    )

"""What the measurements share: Gaussian processes, one a seed, and prompts of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field, PrivateAttr
from typing_extensions import override

from iclbench.attention.kernels import Kernel, KernelSum
from iclbench.streams import stream
from iclbench.tasks.prompts import Prompts
from iclbench.tasks.regression.gaussian_process import GaussianProcess

AnyKernel = Annotated[Kernel | KernelSum, Field(discriminator="kind")]

Spectrum = Annotated[
    tuple[Annotated[float, Field(gt=0)], ...],
    Field(min_length=1, max_length=4096, description="eigenvalues of Sigma, d of them"),
]

SPECTRUM = (1.0, 1.0, 0.25, 2.25, 1.0)

REMEMBERED = 2**28
"""How many bytes of drawn prompts a process remembers."""


class Remembering(GaussianProcess):
    """A Gaussian process that remembers its prompts: many models are trained on the same ones."""

    _drawn: dict[tuple[str, int, int], Prompts] = PrivateAttr(default_factory=dict)

    @override
    def sample(self, rng: np.random.Generator, batch: int, length: int) -> Prompts:
        key = (str(rng.bit_generator.state), batch, length)
        if key in self._drawn:
            return self._drawn[key]
        prompts = super().sample(rng, batch, length)
        size = prompts.inputs.nbytes + prompts.outputs.nbytes
        if size * (len(self._drawn) + 1) <= REMEMBERED:
            self._drawn[key] = prompts
        return prompts


def process(
    kernel: Kernel | KernelSum,
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
    drawn = task.sample(stream(*names, "evaluation"), prompts, pairs + 1)
    weights, variances = task.conditionals(drawn.inputs)
    return Held(
        inputs=drawn.inputs,
        outputs=drawn.outputs,
        bayes=np.einsum("bs,bs->b", weights[:, -1], drawn.outputs[..., 0]),
        variance=variances[:, -1],
    )

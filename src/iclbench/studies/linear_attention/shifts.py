"""Prompts of linear regression unlike those of training, after Garg et al."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from iclbench.streams import stream
from iclbench.tasks.draws import haar_matrices

FACTORS = {"third": 1 / 3, "half": 0.5, "double": 2.0, "triple": 3.0}


@dataclass(frozen=True)
class Shifted:
    """Prompts of one kind.

    Attributes:
        inputs: x of the pairs.
        outputs: y of the pairs.
        queries: What takes the place of x_t where t pairs have been seen; None where it is x_t.
        answers: The outputs of the queries.
        positions: At which t there is a query.
        power: E <w, x>^2 of a query, by which errors are divided.
    """

    inputs: Float[np.ndarray, "batch time p"]
    outputs: Float[np.ndarray, "batch time 1"]
    queries: Float[np.ndarray, "batch time p"] | None
    answers: Float[np.ndarray, "batch time 1"]
    positions: Int[np.ndarray, " position"]
    power: float


@dataclass(frozen=True)
class Drawn:
    """What all kinds are made of, the same for all: w ~ N(0, I) and inputs z_t ~ N(0, I).

    Attributes:
        w: The weights.
        z: The inputs.
        rng: For what a kind draws beyond them.
    """

    w: Float[np.ndarray, "batch p"]
    z: Float[np.ndarray, "batch time p"]
    rng: np.random.Generator

    def shifted(
        self,
        inputs: Float[np.ndarray, "batch time p"],
        queries: Float[np.ndarray, "batch time p"] | None = None,
        *,
        first: int = 0,
        last: int | None = None,
        w_scale: float = 1.0,
        power: float = 1.0,
        noise: float = 0.0,
    ) -> Shifted:
        """Return prompts with these inputs and queries at positions first to last - 1.

        Their labels are <w, x> times ``w_scale``, plus noise; the power is ``power`` times d.
        """
        weights = w_scale * self.w[..., None]
        outputs = inputs @ weights
        outputs = outputs + noise * self.rng.standard_normal(outputs.shape) if noise else outputs
        return Shifted(
            inputs=inputs,
            outputs=outputs,
            queries=queries,
            answers=outputs if queries is None else queries @ weights,
            positions=np.arange(first, inputs.shape[1])[: None if last is None else last - first],
            power=power * inputs.shape[2],
        )


def quadrants(drawn: Drawn) -> Shifted:
    """Draw pairs with the inputs |z| times random signs, those of a prompt alike; z for queries."""
    signs = np.where(drawn.rng.random(drawn.w.shape) < 0.5, -1.0, 1.0)
    return drawn.shifted(np.abs(drawn.z) * signs[:, None], drawn.z)


def orthogonal(drawn: Drawn) -> Shifted:
    """Take for a query the part of z_t orthogonal to the inputs before, at the length of z_t.

    There is one while fewer pairs are seen than there are dimensions.
    """
    dim = drawn.z.shape[2]
    queries = drawn.z.copy()
    for t in range(1, min(dim, drawn.z.shape[1])):
        basis, _ = np.linalg.qr(drawn.z[:, :t].mT)
        rest = drawn.z[:, t]
        for _ in range(2):  # once leaves the rounding errors of what was taken away
            rest = rest - (basis @ (basis.mT @ rest[..., None]))[..., 0]
        length = np.linalg.norm(drawn.z[:, t], axis=1, keepdims=True)
        queries[:, t] = length * rest / np.linalg.norm(rest, axis=1, keepdims=True)
    return drawn.shifted(drawn.z, queries, last=dim)


def overlapping(drawn: Drawn) -> Shifted:
    """Take for a query one of the inputs before, each as likely."""
    batch, time, _ = drawn.z.shape
    chosen = (drawn.rng.random((batch, time)) * np.arange(time)).astype(int)
    queries = np.take_along_axis(drawn.z, chosen[..., None], axis=1)
    return drawn.shifted(drawn.z, queries, first=1)


def half_subspace(drawn: Drawn) -> Shifted:
    """Draw all inputs in a random subspace of d/2 dimensions, E|x|^2 = d."""
    dim = drawn.z.shape[2]
    return _with_spectrum(drawn, (np.arange(dim) < max(1, dim // 2)).astype(float))


def skewed(drawn: Drawn) -> Shifted:
    """Draw inputs whose covariance has the eigenvalues 1/i^2 and random axes, E|x|^2 = d.

    1/i are the eigenvalues of its root, by which normal inputs are multiplied.
    """
    return _with_spectrum(drawn, 1 / np.arange(1, drawn.z.shape[2] + 1) ** 2)


def _with_spectrum(drawn: Drawn, eigenvalues: Float[np.ndarray, " p"]) -> Shifted:
    batch, _, dim = drawn.z.shape
    U = haar_matrices(drawn.rng, batch, dim)
    scale = np.sqrt(eigenvalues * dim / eigenvalues.sum())
    return drawn.shifted(drawn.z @ (U * scale).mT)


SHIFTS: dict[str, Callable[[Drawn], Shifted]] = {
    "standard": lambda drawn: drawn.shifted(drawn.z),
    "quadrants": quadrants,
    "orthogonal": orthogonal,
    "overlapping": overlapping,
    "half_subspace": half_subspace,
    "skewed": skewed,
    "noisy": lambda drawn: drawn.shifted(drawn.z, noise=1.0),
    **{
        f"x_{name}": lambda drawn, s=factor: drawn.shifted(s * drawn.z, power=s**2)
        for name, factor in FACTORS.items()
    },
    **{
        f"w_{name}": lambda drawn, s=factor: drawn.shifted(drawn.z, w_scale=s, power=s**2)
        for name, factor in FACTORS.items()
    },
}
"""Kinds of prompts by name. All are made from the same w and z; in ``noisy`` the labels have unit
noise, and in the last eight the inputs or w are multiplied by a number."""


def draw(shift: str, names: tuple[str, ...], prompts: int, length: int, dim: int) -> Shifted:
    """Draw prompts of a kind; w and z depend on the names alone, not on the kind."""
    rng = stream(*names, "prompts")
    w = rng.standard_normal((prompts, dim))
    z = rng.standard_normal((prompts, length, dim))
    return SHIFTS[shift](Drawn(w, z, stream(*names, "prompts", shift)))

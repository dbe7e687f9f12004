"""The gradient of the population loss where theory says that it vanishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from iclbench.kernels.named import inner_product_kernel
from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.models.paired import Paired
from iclbench.records import make_rows
from iclbench.streams import stream, torch_seed
from iclbench.studies.functional_gd.problems import SPECTRUM, Spectrum, labelled, process
from iclbench.tasks.draws import unit_vectors
from iclbench.tasks.regression.gaussian_process import GaussianProcess

LABELS = {"linear": "linear", "relu": "relu", "exponential": "exponential", "softmax": "relu"}
"""The attentions, and the kernel of the labels that each is tried on."""


class Stationary(Measurement):
    """Which part of the population loss's gradient leaves the manifold of Theorem 1; per seed.

    The manifold is B_l = b_l Sigma^{-1/2}, C_l = c_l Sigma^{-1/2} and A_l = a_l I, or A_l = 0. In
    the coordinates B Sigma^{1/2}, C Sigma^{1/2} and Sigma^{-1/2} A Sigma^{1/2} it consists of
    multiples of the identity. So a gradient G of the population loss with respect to one of them is
    tangent to it if |G - (tr G / d) I|_F / |G|_F = 0, which ``gradient_distance`` is: the largest
    over B, C and A, by layer (``iterate``). Then a minimum along the manifold is stationary.

    At random a, b, c, r, a seed its own, the loss is averaged over ``prompts`` times all turnings
    of their xi by signed cyclic permutations, whose only common commuting matrices are multiples of
    the identity. Labels are a function of each turned prompt and of normal numbers that are the
    same for all. A method is the attention, with ``_full`` where A = a I and not 0, and ``_plain``
    where labels covary by kappa(x_s, x_t), to which Theorem 1 does not apply unless Sigma = I, in
    place of kappa(xi_s, xi_t).

    Cheng et al. 2024 (arXiv 2312.06528), Theorem 1; the check is derived.
    """

    kind: Literal["functional_gd_stationary"] = Field(
        description="the gradient of the population loss at the stationary points of theory"
    )
    spectrum: Spectrum = SPECTRUM
    pairs: int = Field(default=4, ge=1, le=200, description="n, the pairs before the query")
    layers: int = Field(default=3, ge=1, le=16, description="L, the depth")
    prompts: int = Field(default=16, ge=1, le=10_000, description="prompts before they are turned")

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of every attention, form of A and law of labels."""
        depths = np.arange(1, self.layers + 1)
        cases = [
            (attention, value, whitened)
            for attention in LABELS
            for value, whitened in (("block", True), ("labels", True), ("block", False))
        ]
        for attention, value, whitened in cases:
            suffix = ("_full" if value == "block" else "") + ("" if whitened else "_plain")
            found = []
            for seed in range(self.seeds):
                kernel = inner_product_kernel(LABELS[attention])
                task = process(kernel, self.spectrum, seed, whitened)
                inputs, outputs = self._turned(task, (*names, kernel.kind, str(seed)))
                model = Paired.model_validate(
                    {
                        "kind": "paired",
                        "layers": self.layers,
                        "attention": {"kind": attention},
                        "value": value,
                        "context": "prefix",
                        "mean": attention != "softmax",
                    }
                )
                found.append(
                    gradient_distances(
                        model, task, inputs, outputs, torch_seed(*names, attention, value, seed)
                    )
                )
            yield make_rows(
                {**labels, "method": attention + suffix, "family": "constructed", "seed": 0},
                metric="gradient_distance",
                iterate=depths,
                position=self.pairs,
                value=np.stack(found),
                n=self.prompts * len(signed_cyclic_permutations(len(self.spectrum))),
                seed=np.arange(self.seeds)[:, None],
            )

    def _turned(
        self, task: GaussianProcess, names: tuple[str, ...]
    ) -> tuple[Float[np.ndarray, "prompt time p"], Float[np.ndarray, "prompt time 1"]]:
        """Return prompts with xi turned by every element of the group, and their labels."""
        rng = stream(*names)
        length, dim = self.pairs + 1, task.input_dim
        xi = unit_vectors(rng, self.prompts, length, dim)
        normals = rng.standard_normal((self.prompts, length))
        group = signed_cyclic_permutations(dim)
        turned = np.einsum("gij,btj->gbti", group, xi).reshape(-1, length, dim)
        inputs = turned @ task.covariance_root
        return inputs, labelled(task, inputs, np.tile(normals, (len(group), 1))).outputs


def signed_cyclic_permutations(dim: int) -> Float[np.ndarray, "element d d"]:
    """Return the group of the cyclic permutations of coordinates with any signs, 2^d d matrices.

    It is irreducible: a matrix that commutes with all signs is diagonal, and one that commutes with
    the cyclic permutations as well has equal entries there.
    """
    signs = 1 - 2 * (np.arange(2**dim)[:, None] >> np.arange(dim) & 1)
    shifts = np.stack([np.roll(np.eye(dim), shift, axis=0) for shift in range(dim)])
    return (signs[:, None, :, None] * shifts).reshape(-1, dim, dim)


def gradient_distances(
    model: Paired,
    task: GaussianProcess,
    inputs: Float[np.ndarray, "prompt time p"],
    outputs: Float[np.ndarray, "prompt time 1"],
    seed: int,
) -> Float[np.ndarray, " layer"]:
    """Return the largest ``gradient_distance`` over B, C and A of every layer, in float64."""
    from iclbench.models.networks.paired import PairedNetwork

    root = torch.from_numpy(task.covariance_root)
    inverse = torch.linalg.inv(root)
    network = PairedNetwork(model, task.input_dim, 1).double()
    rng = torch.Generator().manual_seed(seed)

    def between(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=rng, dtype=torch.float64).item()

    with torch.no_grad():
        for name, parameter in network.named_parameters():
            match name.rpartition(".")[2]:
                case "query" | "key":
                    parameter.copy_(between(0.5, 1.0) * inverse)
                case "value_inputs":
                    parameter.copy_(between(-0.3, 0.3) * torch.eye(task.input_dim))
                case _:
                    parameter.fill_(between(-1.0, -0.3))
    x, y = torch.from_numpy(inputs), torch.from_numpy(outputs)
    (network(x[None], y[None], last=True)[0, -1] - y[:, -1:]).square().mean().backward()
    distances = np.zeros(model.layers)
    for name, parameter in network.named_parameters():
        _, layer, part = name.split(".")
        gradient = None if parameter.grad is None else parameter.grad[0]
        # The context is not read behind the last layer: there A has no gradient, and no part.
        if part == "value_labels" or gradient is None or not gradient.any():
            continue
        inner = root @ gradient @ inverse if part == "value_inputs" else gradient @ inverse
        rest = inner - inner.diagonal(dim1=-2, dim2=-1).mean() * torch.eye(
            task.input_dim, dtype=inner.dtype
        )
        at = int(layer)
        distances[at] = max(distances[at], (rest.norm() / inner.norm()).item())
    return distances

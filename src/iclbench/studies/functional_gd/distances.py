"""How far trained matrices are from multiples of the identity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from iclbench.lazy import torch
from iclbench.training.ensembles import State


def distances(
    state: State, layers: int, roots: Float[torch.Tensor, "seed d d"]
) -> Iterator[tuple[str, int, Float[np.ndarray, " seed"]]]:
    """Yield name, layer and value of the distances to multiples of the identity, heads averaged.

    With |M - (tr M / d) I|_F / |M|_F, ``product_distance`` for M = Sigma^{1/2} B^T C Sigma^{1/2}
    and ``value_distance`` for M = Sigma^{-1/2} A Sigma^{1/2}, where A is trained. The last layer
    has none, since nothing reads what its A writes.

    Args:
        state: The parameters of all seeds, by name.
        layers: How many layers there are.
        roots: Sigma^{1/2} of each seed.
    """
    roots = roots[:, None]
    for layer in range(1, layers + 1):
        at = {
            name.removeprefix(f"blocks.{layer - 1}."): part.detach().cpu().double()
            for name, part in state.items()
        }
        product = roots @ at["key"].mT @ at["query"] @ roots
        yield "product_distance", layer, to_identity(product)
        if "value_inputs" in at and layer < layers:
            inner = torch.linalg.solve(roots, at["value_inputs"] @ roots)
            yield "value_distance", layer, to_identity(inner)


def to_identity(matrices: Float[torch.Tensor, "seed head d d"]) -> Float[np.ndarray, " seed"]:
    """Return |M - (tr M / d) I|_F / |M|_F, averaged over heads."""
    dim = matrices.shape[-1]
    trace = matrices.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    rest = matrices - trace / dim * torch.eye(dim, dtype=matrices.dtype)
    return (rest.norm(dim=(-2, -1)) / matrices.norm(dim=(-2, -1))).mean(1).numpy()

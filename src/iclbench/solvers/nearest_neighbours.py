"""The average output of the nearest inputs seen."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.method import Method


class NearestNeighbours(Method):
    """Predict the mean of y_s over the k inputs x_s, s < t, nearest to x_t in Euclidean distance.

    With fewer than k pairs seen, the mean over all of them. A baseline of Garg et al. 2022
    (arXiv 2208.01066), where k = 3.
    """

    kind: Literal["nearest_neighbours"] = Field(
        description="mean output of the k nearest inputs seen"
    )
    k: int = Field(default=3, ge=1, le=4096, description="how many neighbours are averaged")

    @override
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "1 batch time q"]:
        length = inputs.shape[1]
        # The expansion |x|^2 - 2 <x, z> + |z|^2 would lose close neighbours to cancellation.
        distances = torch.cdist(inputs, inputs, compute_mode="donot_use_mm_for_euclid_dist")
        unseen = torch.ones_like(distances, dtype=torch.bool).triu()
        distances = distances.masked_fill(unseen, torch.inf)
        nearest = distances.topk(min(self.k, length), largest=False).indices
        chosen = torch.zeros_like(distances).scatter(-1, nearest, 1.0).masked_fill(unseen, 0.0)
        return (chosen @ outputs / chosen.sum(-1, keepdim=True).clamp_min(1)).unsqueeze(0)

"""The linear map that a predictor acts by after a prefix, found by asking it fresh queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from jaxtyping import Float

from iclbench.lazy import torch

Predict: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"


def induced_weights(
    predict: Predict,
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
    queries: Float[torch.Tensor, "batch query p"],
    seen: int,
) -> Float[torch.Tensor, "iterate batch p q"]:
    """Return W minimising sum_m |predict(prefix, x_m) - x_m W|^2 over the queries x_m.

    Args:
        predict: From inputs (B, T, p) and outputs (B, T, q) to predictions (K, B, T, q), as
            ``Method.predict``.
        inputs: The inputs of the prompts.
        outputs: Their outputs.
        queries: Fresh inputs, many more than p, from the law of the inputs.
        seen: t, the length of the prefix.

    Raises:
        ValueError: If there are fewer queries than dimensions, or the prefix is longer than the
            prompt.

    Source: Fu et al. 2024 (arXiv 2310.17086), induced weight vectors.
    """
    batch, asked, p = queries.shape
    if asked < p:
        raise ValueError(f"{asked} queries in dimension {p}: expected at least {p}; draw more")
    if not 0 <= seen <= inputs.shape[1]:
        raise ValueError(f"seen {seen}: expected 0 to {inputs.shape[1]}, the length of the prompts")
    prefix_x, prefix_y = (part[:, :seen].repeat_interleave(asked, 0) for part in (inputs, outputs))
    unasked = prefix_y.new_zeros(batch * asked, 1, outputs.shape[-1])
    answers = predict(
        torch.cat([prefix_x, queries.reshape(batch * asked, 1, p)], 1),
        torch.cat([prefix_y, unasked], 1),
    )[:, :, seen].double()
    Q, R = torch.linalg.qr(queries.double())
    return torch.linalg.solve_triangular(R, Q.mT @ answers.unflatten(1, (batch, asked)), upper=True)

"""Token layouts: from the pairs of a prompt to the tokens of a transformer.

In each of them the tokens that a causal transformer may use where the prediction of y_t is read out
hold the pairs before t and x_t, and never y_t.
"""

from __future__ import annotations

from jaxtyping import Float

from iclbench.lazy import torch


def plain(
    inputs: Float[torch.Tensor, "*batch time p"], repeat: int = 1
) -> Float[torch.Tensor, "*batch time width"]:
    """Return the token (x_t, …, x_t) at every t, with x_t repeated; width = repeat p.

    The outputs are left out, so the task has to be a sequence, x_{t+1} = y_t. Token t is read out
    as the prediction of y_t. Source: Sander et al. 2024 (arXiv 2402.05787), section 4.
    """
    return torch.cat([inputs] * repeat, dim=-1)


def augmented(
    inputs: Float[torch.Tensor, "*batch time p"],
) -> Float[torch.Tensor, "*batch time width"]:
    """Return the token (0, s_t, s_{t-1}) of a sequence s_t = x_t at every t; width = 3 p, s_0 = 0.

    Token t is read out as the prediction of y_t. Source: Sander et al. 2024 (arXiv 2402.05787),
    section 3.
    """
    previous = torch.nn.functional.pad(inputs[..., :-1, :], (0, 0, 1, 0))
    return torch.cat([torch.zeros_like(inputs), inputs, previous], dim=-1)


def paired(
    inputs: Float[torch.Tensor, "*batch time p"], outputs: Float[torch.Tensor, "*batch time q"]
) -> tuple[Float[torch.Tensor, "*batch time p+q"], Float[torch.Tensor, "*batch time p+q"]]:
    """Return the context tokens (x_t; y_t) and the query tokens (x_t; 0).

    Query token t may use context tokens before t, and its last q numbers are read out. Source:
    Cheng et al. 2024 (arXiv 2312.06528), section 2; von Oswald et al. 2023 (arXiv 2212.07677).
    """
    context = torch.cat([inputs, outputs], dim=-1)
    query = torch.cat([inputs, torch.zeros_like(outputs)], dim=-1)
    return context, query


def interleaved(
    inputs: Float[torch.Tensor, "*batch time p"], outputs: Float[torch.Tensor, "*batch time 1"]
) -> Float[torch.Tensor, "*batch 2*time-1 p"]:
    """Return the tokens x_1, (y_1, 0, …, 0), x_2, …, x_T; the last output is of no use.

    Tokens 0, 2, 4, … (``tokens[..., ::2, :]``) are read out as the predictions of y_1, y_2, y_3, …
    Source: Garg et al. 2022 (arXiv 2208.01066), section 2.
    """
    labels = torch.nn.functional.pad(outputs, (0, inputs.shape[-1] - 1))
    return torch.stack([inputs, labels], dim=-2).flatten(-3, -2)[..., :-1, :]

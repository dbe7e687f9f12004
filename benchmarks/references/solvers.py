"""Newton's iteration and gradient descent by loops over prompts, prefixes and iterations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from jaxtyping import Float

from iclbench.lazy import torch

Iteration = Callable[["torch.Tensor", "torch.Tensor"], "Iterator[torch.Tensor]"]
"""Maps S = X^T X and b = X^T y of a prefix to the weights after 1, 2, … steps."""


def newton(
    S: Float[torch.Tensor, "p p"], b: Float[torch.Tensor, "p q"]
) -> Iterator[Float[torch.Tensor, "p q"]]:
    """Yield M_k b of M <- 2 M - M S M from M_0 = 2 S / |S S^T|_F.

    In the null space of S, where there is one, the recursion doubles its rounding errors: after 23
    iterations in float64 they are 1e-9, beyond some 50 they are all that there is.
    """
    M = 2 / (S @ S.T).norm() * S
    while True:
        M = 2 * M - M @ S @ M
        yield M @ b


def gradient_descent(
    S: Float[torch.Tensor, "p p"], b: Float[torch.Tensor, "p q"]
) -> Iterator[Float[torch.Tensor, "p q"]]:
    """Yield w of w <- w - (S w - b) / l_max, from 0."""
    eta = 1 / torch.linalg.eigvalsh(S)[-1]
    w = torch.zeros_like(b)
    while True:
        w = w - eta * (S @ w - b)
        yield w


def sweep(
    iteration: Iteration,
    inputs: Float[torch.Tensor, "batch time p"],
    outputs: Float[torch.Tensor, "batch time q"],
    numbers: Sequence[int],
    *,
    anew: bool,
) -> Float[torch.Tensor, "iterate batch time q"]:
    """Return the predictions after these numbers of steps; 0 where no pair has been seen.

    Args:
        iteration: What is iterated.
        inputs: x.
        outputs: y.
        numbers: Numbers of steps, ascending.
        anew: Whether each number of steps starts from the beginning, as where a script makes a
            solver for each; else one run of the iteration predicts along the way.
    """
    batch, time, _ = inputs.shape
    predictions = outputs.new_zeros(len(numbers), *outputs.shape)
    for prompt in range(batch):
        for t in range(1, time):
            X, y = inputs[prompt, :t], outputs[prompt, :t]
            for chosen in [[n] for n in numbers] if anew else [numbers]:
                steps = iteration(X.T @ X, X.T @ y)
                for n, w in zip(range(1, chosen[-1] + 1), steps, strict=False):
                    if n in chosen:
                        k = numbers.index(n)
                        predictions[k, prompt, t] = inputs[prompt, t] @ w
    return predictions

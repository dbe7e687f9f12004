"""Squared errors of predictions, their means over prompts, and the rows that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from iclbench.lazy import pd, torch
from iclbench.records import make_rows


def squared_errors(
    predictions: Float[torch.Tensor, "iterate batch time q"],
    outputs: Float[torch.Tensor, "batch time q"],
) -> Float[torch.Tensor, "iterate batch time"]:
    """Return |prediction - y_t|^2 / q, in float64 whatever the precision of the predictions."""
    truth = outputs.double()
    return torch.stack([(each.double() - truth).square().mean(-1) for each in predictions])


def mean_and_stderr(
    values: Float[torch.Tensor, "iterate batch ..."],
) -> tuple[Float[torch.Tensor, "iterate ..."], Float[torch.Tensor, "iterate ..."]]:
    """Return the mean over prompts and its standard error, which is NaN for a single prompt."""
    prompts = values.shape[1]
    mean = values.mean(1)
    if prompts == 1:
        return mean, torch.full_like(mean, torch.nan)
    return mean, values.std(1) / prompts**0.5


def rows_from_errors(
    errors: Float[torch.Tensor, "iterate batch time"],
    iterates: Sequence[int],
    power: float,
    labels: Mapping[str, Any],
) -> pd.DataFrame:
    """Return the rows of a method's errors: at each position, and averaged over positions.

    Each appears twice, as the metric ``squared_error`` and, divided by the power of the outputs, as
    ``normalised_error``, which is 1 for a predictor that says zero. The standard error of an
    average over positions is that of the prompts' averages: the positions of a prompt are not
    independent.

    Args:
        errors: |prediction - y_t|^2 / q of each prompt (see ``squared_errors``).
        iterates: The depth or iteration of each entry of the iterate axis.
        power: E|y_t|^2 / q of the task, averaged over positions.
        labels: What all rows share (see ``records.make_rows``).

    Raises:
        ValueError: If the power is not positive, or ``iterates`` does not fit ``errors``.
    """
    if not power > 0:
        raise ValueError(f"power {power}: expected the positive mean square of the task's outputs")
    if len(iterates) != len(errors):
        raise ValueError(f"{len(iterates)} iterates, but errors of {len(errors)}; expected as many")
    _, prompts, length = errors.shape
    with_average = torch.cat([errors, errors.mean(-1, keepdim=True)], -1)
    mean, stderr = (part.numpy(force=True) for part in mean_and_stderr(with_average))
    unit = np.array([1.0, power])[:, None, None]
    return make_rows(
        labels,
        metric=[[["squared_error"]], [["normalised_error"]]],
        iterate=np.asarray(iterates)[:, None],
        position=[*range(length), np.nan],
        value=mean / unit,
        stderr=stderr / unit,
        n=prompts,
    )

"""Trained models and baselines on prompts unlike those of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field

from iclbench.files import JobError
from iclbench.lazy import pd, torch
from iclbench.streams import stream
from iclbench.studies.linear_attention.resampling import bootstrap_means, rows_with_intervals
from iclbench.studies.linear_attention.shifts import SHIFTS, Shifted, draw
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.examination import Examination, Predict, Subject


def _known(shifts: tuple[str, ...]) -> tuple[str, ...]:
    for name in shifts:
        if name not in SHIFTS:
            raise ValueError(f"{name!r} is no kind of prompt; expected some of {', '.join(SHIFTS)}")
    if len(set(shifts)) < len(shifts):
        raise ValueError("a kind of prompt is listed twice; remove one")
    return shifts


class Prompts(Examination):
    """Errors on standard and on shifted prompts of linear regression, by pairs seen.

    For every method at its last iterate, position t and kind of prompt (``reference``):
    ``normalised_error``, the mean squared error over E <w, x>^2 of the query x (d, times the square
    of what inputs or w are multiplied by), and the ends ``error_low`` and ``error_high`` of its
    90 % bootstrap interval over prompts. All methods, seeds and kinds share w and the normal
    numbers that inputs are made from.

    A kind says of the query, too, where it comes from. So that it does not stand in the context of
    later ones, it takes the place of x_t in a prompt of t pairs, one prompt a position; where it
    has the law of the other inputs, it is x_t, and one prompt serves all positions. On noisy
    prompts the error is that of the noisy label.

    Source: Garg et al. 2022 (arXiv 2208.01066), prompts outside the training distribution; the
    lengths of orthogonal queries and of inputs in a subspace are ours.
    """

    kind: Literal["garg_prompts"] = Field(
        description="errors on prompts outside the training distribution"
    )
    prompts: int = Field(default=1280, ge=2, le=100_000, description="prompts of each kind")
    shifts: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known)] = Field(
        default=tuple(SHIFTS), description="kinds of prompts"
    )

    def examine(
        self, subject: Subject, names: tuple[str, ...], labels: Mapping[str, Any]
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows of all methods, kind by kind.

        Raises:
            JobError: If the task is not linear regression with normal, isotropic inputs, without
                noise.
        """
        task = subject.task
        plain = LinearRegression(kind="linear", dim=task.input_dim)
        if task != plain:
            raise JobError(
                f"measurement {labels['task']}: the task {self.of} is {task!r}, but these prompts "
                f"are shifted from {plain!r}; examine that"
            )
        for shift in self.shifts:
            cases = draw(shift, names, self.prompts, subject.length, task.input_dim)
            examinees = list(subject.examinees)
            errors = [errors_of(examinee.predict, cases) / cases.power for examinee in examinees]
            ends = bootstrap_means(
                np.concatenate(errors, axis=1), stream(*names, "bootstrap", shift)
            )
            parts = np.split(ends, len(examinees), axis=1)
            for examinee, found, within in zip(examinees, errors, parts, strict=True):
                about = {"method": examinee.method, "family": examinee.family}
                yield rows_with_intervals(
                    found,
                    within,
                    {**labels, **about, "seed": examinee.seed},
                    iterate=examinee.iterates[-1],
                    position=cases.positions,
                    reference=shift,
                )


def errors_of(predict: Predict, cases: Shifted) -> Float[np.ndarray, "batch position"]:
    """Return the squared errors of a method's last iterate at every position with a query."""
    x, y = torch.from_numpy(cases.inputs), torch.from_numpy(cases.outputs)
    positions = cases.positions
    if cases.queries is None:
        found = predict(x, y)[-1][:, positions, 0].double().numpy()
    else:
        queries = torch.from_numpy(cases.queries)
        columns = []
        for t in positions.tolist():
            # The query stands last, with a label that no method may look at.
            inputs = torch.cat([x[:, :t], queries[:, t : t + 1]], dim=1)
            columns.append(predict(inputs, y[:, : t + 1])[-1][:, t, 0].double())
        found = torch.stack(columns, dim=1).numpy()
    return (found - cases.answers[:, positions, 0]) ** 2

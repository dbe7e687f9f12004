"""Whether methods remember old pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from iclbench.files import JobError
from iclbench.lazy import pd, torch
from iclbench.measures import mean_and_stderr
from iclbench.records import make_rows
from iclbench.streams import stream
from iclbench.training.examination import Examination, Subject


class Memory(Examination):
    """The error on a pair of the context that comes back as the query, by its age.

    Prompts have n pairs and then, as the query, the input of the i-th of them. Rows, at the last
    iterate of every method: ``recall_error``, |prediction - y_i|^2 / power, where
    ``reference_iterate`` is the gap n - i, the pairs in between: 0 for the last pair, n - 1 for the
    first.

    Raises:
        JobError: If there are more pairs than models were trained on prompts of.

    Source: Fu et al. 2024 (arXiv 2310.17086), Fig. 5 right, n = 20.
    """

    kind: Literal["newton_memory"] = Field(
        description="error on a query that is an old input, by its age"
    )
    pairs: int | None = Field(
        default=None, ge=1, le=100_000, description="n, the pairs before the query; null: T - 1"
    )
    prompts: int = Field(default=1000, ge=2, le=10**7, description="prompts, fresh ones")

    @override
    def examine(
        self, subject: Subject, names: tuple[str, ...], labels: Mapping[str, Any]
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows of every method and seed."""
        pairs = subject.length - 1 if self.pairs is None else self.pairs
        if pairs >= subject.length:
            raise JobError(
                f"pairs ({pairs}) and a query are more than the {subject.length} pairs of the "
                f"task's prompts; give {subject.length - 1} at most"
            )
        prompts = subject.task.sample(stream(*names, "prompts"), self.prompts, pairs)
        x, y = torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)
        unasked = torch.zeros_like(y[:, :1])
        for each in subject.examinees:
            errors = []
            for gap in range(pairs):
                old = pairs - 1 - gap
                asked = torch.cat([x, x[:, old : old + 1]], 1)
                answer = each.predict(asked, torch.cat([y, unasked], 1))[-1, :, -1].double()
                errors.append((answer - y[:, old]).square().mean(-1) / subject.power)
            mean, stderr = mean_and_stderr(torch.stack(errors))
            yield make_rows(
                {**labels, "method": each.method, "family": each.family, "seed": each.seed},
                metric="recall_error",
                iterate=each.iterates[-1],
                reference="gap",
                reference_iterate=np.arange(pairs),
                value=mean.numpy(),
                stderr=stderr.numpy(),
                n=self.prompts,
            )

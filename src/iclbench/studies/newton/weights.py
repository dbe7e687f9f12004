"""The linear maps that methods act by, and how alike they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field
from typing_extensions import override

from iclbench.lazy import pd, torch
from iclbench.measures import induced_weights, similarity_of_weights
from iclbench.streams import stream
from iclbench.studies.newton.matches import match_rows
from iclbench.training.examination import Examination, Subject


class InducedWeights(Examination):
    """Similarity of induced weights of trained models with solvers, layer by iteration.

    After t pairs, 1 <= t < T, each method is asked fresh queries from the law of the inputs, and
    the weights are those of least squares from queries to answers. Rows, by layer (``iterate``):
    ``weight_similarity`` with each solver among the methods at all its iterates,
    ``weight_best_match`` and ``weight_best_similarity``.

    Source: Fu et al. 2024 (arXiv 2310.17086), similarity of induced weights.
    """

    kind: Literal["newton_weights"] = Field(
        description="similarity of the linear maps that models and solvers act by"
    )
    prompts: int = Field(default=64, ge=2, le=10**6, description="prompts, fresh ones")
    queries: int = Field(
        default=40, ge=2, le=10**5, description="queries a prompt and prefix, more than dimensions"
    )

    @override
    def examine(
        self, subject: Subject, names: tuple[str, ...], labels: Mapping[str, Any]
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows of every model and seed."""
        prompts = subject.task.sample(stream(*names, "prompts"), self.prompts, subject.length)
        x, y = torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)
        asked = self.queries * self.prompts
        drawn = [
            subject.task.sample(stream(*names, "queries", seen), asked, 1).inputs
            for seen in range(1, subject.length)
        ]
        queries = [torch.from_numpy(each).reshape(self.prompts, self.queries, -1) for each in drawn]
        weights = {
            (each.family, each.method, each.seed, each.iterates): torch.stack(
                [
                    induced_weights(each.predict, x, y, asked, seen).flatten(2)
                    for seen, asked in enumerate(queries, start=1)
                ],
                dim=2,
            )
            for each in subject.examinees
        }
        for (family, method, seed, iterates), own in weights.items():
            if family != "trained":
                continue
            for (other_family, reference, _, others), theirs in weights.items():
                if other_family != "trained":
                    yield from match_rows(
                        {**labels, "method": method, "family": family, "seed": seed},
                        iterates,
                        reference,
                        others,
                        *similarity_of_weights(own, theirs),
                        n=self.prompts,
                        prefix="weight_",
                    )

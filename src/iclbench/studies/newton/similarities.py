"""Solver against solver: how alike the residuals of any two methods are, iterate by iterate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field, model_validator

from iclbench.lazy import pd, torch
from iclbench.measurement import Measurement
from iclbench.measures import mean_and_stderr, similarity_of_errors, squared_errors
from iclbench.method import Method, ascending
from iclbench.records import make_rows
from iclbench.registry import any_of
from iclbench.solvers.prefix_spectrum import Eigenbases, Spectral, eigenbases
from iclbench.streams import stream
from iclbench.studies.newton.matches import match_rows
from iclbench.tasks.family import Family

if TYPE_CHECKING:
    Regression = Family
    Solver = Method
else:
    Regression = any_of("regression")
    Solver = any_of("solvers")


class Similarities(Measurement):
    """The table of similarities SimE(A_i, B_j) = E_prompts cos(e(A_i), e(B_j)) of solvers.

    e is the residual of a prompt at all its positions, the first among them, at which no pair has
    been seen and every method is taken to predict zero, whatever it starts from. A seed is an
    independent set of prompts, and of the start of a method that draws one.

    For each pair of methods A, B (``method`` and ``reference``): ``similarity``, ``best_match``,
    ``best_similarity``, and over the iterates ``fit`` of A ``match_r2`` and ``match_r2_log2`` (see
    ``match_rows``).

    For each method, iterate and some positions ``normalised_error`` and ``median_error``: the mean
    and the median over prompts of the squared error over the power of the outputs (of those drawn
    where the law has no closed form of it).

    Source: Fu et al. 2024 (arXiv 2310.17086), similarity of errors, and its table of solvers
    against solvers. The text counts the positions from one pair on, its code (and its numbers) from
    none on: ``skip_first`` is the former.
    """

    kind: Literal["newton_similarities"] = Field(
        description="similarities of errors between the iterates of solvers"
    )
    regression: Regression = Field(description="the law of the pairs (x, f(x))")
    length: int = Field(default=41, ge=2, le=1000, description="T, the number of pairs")
    prompts: int = Field(default=320, ge=1, le=100_000, description="prompts a seed")
    methods: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Solver] = Field(
        min_length=1, description="the solvers compared, by the name that rows have"
    )
    pairs: list[tuple[str, str]] | None = Field(
        default=None,
        description="which method's iterates are matched with which other's; null is each with "
        "itself and with all that are listed after it",
    )
    skip_first: bool = Field(
        default=False, description="leave out of the residuals the position without pairs before it"
    )
    fit: Annotated[tuple[int, int], AfterValidator(ascending)] | None = Field(
        default=None, description="first and last iterate of A that lines are fitted over"
    )
    positions: Annotated[tuple[Annotated[int, Field(ge=0)], ...], AfterValidator(ascending)] = (
        Field(default=(), description="numbers of pairs seen at which errors are reported")
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Similarities:
        for name in {name for pair in self.pairs or () for name in pair}:
            if name not in self.methods:
                raise ValueError(
                    f"pairs: {name!r} is none of the methods {', '.join(self.methods)}; add it "
                    "under methods"
                )
        if len(set(self.pairs or ())) < len(self.pairs or ()):
            raise ValueError("pairs: a pair is listed twice; remove one")
        if self.positions and self.positions[-1] >= self.length:
            raise ValueError(
                f"positions: {self.positions[-1]} pairs are seen nowhere in {self.length}; give "
                f"up to {self.length - 1}"
            )
        return self

    def measure(self, names: tuple[str, ...], labels: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        """Yield the rows of all pairs of methods and of all methods, seed by seed."""
        pairs = self.pairs
        if pairs is None:
            pairs = list(combinations_with_replacement(self.methods, 2))
        for seed in range(self.seeds):
            drawn = self.regression.sample(
                stream(*names, "prompts", seed), self.prompts, self.length
            )
            x, y = torch.from_numpy(drawn.inputs), torch.from_numpy(drawn.outputs)
            power = self.regression.output_power or y.square().mean().item()
            bases = eigenbases(x)
            predicted = {
                name: _predictions(_redrawn(method, seed), bases, x, y)
                for name, method in self.methods.items()
            }
            same = {**labels, "family": "solver", "seed": seed}
            for first, second in pairs:
                about = {**same, "method": first}
                yield from self._rows_of_pair(
                    about, first, second, predicted[first] - y, predicted[second] - y
                )
            for name, predictions in predicted.items():
                errors = squared_errors(predictions, y) / power
                yield from self._rows_of_errors({**same, "method": name}, errors)

    def _rows_of_pair(
        self,
        labels: Mapping[str, Any],
        first: str,
        second: str,
        residuals: Float[torch.Tensor, "first batch time q"],
        others: Float[torch.Tensor, "second batch time q"],
    ) -> Iterator[pd.DataFrame]:
        start = int(self.skip_first)
        yield from match_rows(
            labels,
            self.methods[first].iterates,
            second,
            self.methods[second].iterates,
            *similarity_of_errors(residuals[:, :, start:], others[:, :, start:]),
            n=self.prompts,
            fit=self.fit,
        )

    def _rows_of_errors(
        self, labels: Mapping[str, Any], errors: Float[torch.Tensor, "iterate batch time"]
    ) -> Iterator[pd.DataFrame]:
        if not self.positions:
            return
        at = errors[:, :, list(self.positions)]
        mean, stderr = mean_and_stderr(at)
        same: dict[str, Any] = {
            "iterate": np.array(self.methods[labels["method"]].iterates)[:, None],
            "position": np.array(self.positions),
            "n": self.prompts,
        }
        yield make_rows(
            labels, metric="normalised_error", value=mean.numpy(), stderr=stderr.numpy(), **same
        )
        median = np.median(at.numpy(), axis=1)
        yield make_rows(labels, metric="median_error", value=median, **same)


def _predictions(
    method: Method,
    bases: Eigenbases,
    x: Float[torch.Tensor, "batch time p"],
    y: Float[torch.Tensor, "batch time q"],
) -> Float[torch.Tensor, "iterate batch time q"]:
    """Return the predictions of a method, zero where it has seen no pair."""
    found = method.predict_in(bases, x, y) if isinstance(method, Spectral) else method.predict(x, y)
    predictions = found.clone()
    predictions[:, :, 0] = 0
    return predictions


def _redrawn(method: Method, seed: int) -> Method:
    """Return a method with random numbers of its own for this seed, if it draws any."""
    drawn = getattr(method, "seed", None)
    return method if drawn is None else method.model_copy(update={"seed": drawn + seed})

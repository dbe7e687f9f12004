"""A claim of a paper, as data: what it says, which rows speak of it, and what would confirm it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from iclbench.claims.criterion import Criterion
from iclbench.claims.filters import Filters, describe
from iclbench.settings import Settings

Side = Annotated[Filters, Field(description="which rows, beyond those of ``where``")]
Reduce = Annotated[
    Literal["mean", "max", "min", "sum", "median"],
    Field(description="how the rows of a seed become one number"),
]
Over = Annotated[
    Literal["mean", "every"],
    Field(
        description="mean: the 95 % Student interval over seeds is judged; every: each seed must "
        "satisfy the criterion, and one suffices (for exact statements)"
    ),
]
Along = Annotated[
    Literal["iterate", "position", "reference_iterate"], Field(description="the abscissa")
]

_REDUCED = {
    "mean": "mean",
    "max": "maximum",
    "min": "minimum",
    "sum": "sum",
    "median": "median",
}


class Value(Settings):
    """One number a seed: the rows of a seed, reduced."""

    kind: Literal["value"] = "value"
    reduce: Reduce = "mean"
    over: Over = "mean"

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The filters of each side, beyond those of the claim."""
        return [{}]

    @property
    def words(self) -> str:
        """What is computed, for a table."""
        return f"{_REDUCED[self.reduce]} in {_OVER[self.over]}"


class _OfAndAnother(Settings):
    of: Side
    reduce: Reduce = "mean"
    over: Over = "mean"


class Ratio(_OfAndAnother):
    """The quotient of two sides in each seed; its mean over seeds is geometric."""

    kind: Literal["ratio"] = "ratio"
    to: Side

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The filters of each side, beyond those of the claim."""
        return [self.of, self.to]

    @property
    def words(self) -> str:
        """What is computed, for a table."""
        mean = "geometric mean over seeds" if self.over == "mean" else _OVER["every"]
        return f"{_versus('÷', self.of, self.to, self.reduce)}, {mean}"


class Difference(_OfAndAnother):
    """One side minus the other in each seed."""

    kind: Literal["difference"] = "difference"
    minus: Side

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The filters of each side, beyond those of the claim."""
        return [self.of, self.minus]

    @property
    def words(self) -> str:
        """What is computed, for a table."""
        return f"{_versus('−', self.of, self.minus, self.reduce)}, {_OVER[self.over]}"


class Ordering(Settings):
    """Each side minus the one before it, in each seed; the weakest pair is judged."""

    kind: Literal["ordering"] = "ordering"
    smallest_first: list[Side] = Field(
        min_length=2, description="the sides, from the one said to be smallest to the largest"
    )
    reduce: Reduce = "mean"
    over: Over = "mean"

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The filters of each side, beyond those of the claim."""
        return self.smallest_first

    @property
    def words(self) -> str:
        """What is computed, for a table."""
        chain = " < ".join(map(describe, self.smallest_first))
        return f"weakest step of {chain}, {_OVER[self.over]}"


class Monotone(Settings):
    """The steps between consecutive values along an abscissa, counted positive in the direction."""

    kind: Literal["monotone"] = "monotone"
    along: Along
    direction: Literal["decreasing", "increasing"] = Field(description="what is claimed")
    reduce: Reduce = "mean"
    over: Over = "mean"

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The filters of each side, beyond those of the claim."""
        return [{}]

    @property
    def words(self) -> str:
        """What is computed, for a table."""
        along = self.along.replace("_", " ")
        return f"weakest {self.direction} step along {along}, {_OVER[self.over]}"


class Slope(Settings):
    """The least-squares slope of each seed's values along an abscissa, logarithms natural."""

    kind: Literal["slope"] = "slope"
    x: Along
    axes: Literal["loglog", "loglinear", "linear"] = Field(
        description="loglog: log value against log x; loglinear: log value against x; linear"
    )
    reduce: Reduce = "mean"
    over: Over = "mean"

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The filters of each side, beyond those of the claim."""
        return [{}]

    @property
    def words(self) -> str:
        """What is computed, for a table."""
        x = self.x.replace("_", " ")
        against = {"loglog": f"log value, log {x}", "loglinear": f"log value, {x}"}
        return f"slope ({against.get(self.axes, f'value, {x}')}), {_OVER[self.over]}"


class Equivalence(Settings):
    """Two one-sided tests at 5 % that two sides differ by no more than the criterion allows."""

    kind: Literal["equivalence"] = "equivalence"
    of: Side
    to: Side
    relative: bool = Field(
        default=False, description="whether each seed's difference is divided by the size of ``to``"
    )
    reduce: Reduce = "mean"

    @property
    def over(self) -> Literal["mean"]:
        """It is the mean over seeds that is tested."""
        return "mean"

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The filters of each side, beyond those of the claim."""
        return [self.of, self.to]

    @property
    def words(self) -> str:
        """What is computed, for a table."""
        relative = "relative " if self.relative else ""
        return f"{relative}{_versus('−', self.of, self.to, self.reduce)}, two one-sided tests"


_OVER = {"mean": "each seed, averaged", "every": "every seed"}

Statistic = Annotated[
    Value | Ratio | Difference | Ordering | Monotone | Slope | Equivalence,
    Field(discriminator="kind"),
]


class Claim(Settings):
    """A statement of a paper that rows can support or refute."""

    statement: str = Field(min_length=1, max_length=1000, description="the claim, in our own words")
    place: str = Field(
        min_length=1, max_length=300, description="where in the paper: section, equation, figure"
    )
    provenance: Literal["published", "authors' code", "derived", "reconstructed"] = Field(
        description="published: read in the paper; authors' code: read there; derived: ours, and "
        "checked; reconstructed: ours, consistent with what is known"
    )
    evidence: list[str] = Field(
        min_length=1, description="measurements and tasks of this study whose rows speak of it"
    )
    where: Filters = Field(
        default={},
        description="which of their rows: by column a value, a list, {from: a, to: b} (both "
        "included), null, or last (of iterates or positions)",
    )
    statistic: Statistic = Field(description="what is computed of the rows: the effect")
    criterion: Criterion | None = Field(
        default=None,
        description="where the effect must lie; above 0 by default for ordering and monotone",
    )
    paper_value: float | None = Field(default=None, description="the paper's own number")
    scales: list[str] = Field(
        default=["laptop", "paper"], min_length=1, description="scales at which it can be decided"
    )
    figure: str | None = Field(default=None, description="a figure of this study that shows it")
    needs: str | None = Field(
        default=None,
        max_length=300,
        description="what its evidence needs that is not shipped; without it, it is not run",
    )
    note: str | None = Field(
        default=None, max_length=2000, description="why our runs and the paper differ, if they do"
    )

    @model_validator(mode="after")
    def _has_a_criterion(self) -> Claim:
        kind = self.statistic.kind
        if self.criterion is None and kind not in ("ordering", "monotone"):
            raise ValueError(
                f"criterion: missing; a statistic of kind {kind} needs one, such as {{below: 0.1}}"
            )
        for name in ("evidence", "scales"):
            names = getattr(self, name)
            if len(set(names)) < len(names):
                raise ValueError(f"{name}: a name is listed twice; remove one")
        return self

    @property
    def region(self) -> Criterion:
        """Where the effect must lie, the default filled in."""
        return self.criterion or Criterion(above=0)


def _versus(sign: str, of: dict[str, Any], other: dict[str, Any], reduce: str) -> str:
    of_what = "" if reduce == "mean" else f"{_REDUCED[reduce]} of "
    return f"{of_what}({describe(of)}) {sign} ({describe(other)})"

"""A claim of a paper, as data: what it says, which rows speak of it, and what would confirm it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from iclbench.claims.numbers import number
from iclbench.config.faults import meant
from iclbench.settings import Settings

TEXTS = ("study", "task", "method", "family", "metric", "reference")
NUMBERS = ("seed", "iterate", "position", "reference_iterate")
NULLABLE = ("position", "reference", "reference_iterate")
WITH_LAST = ("iterate", "position", "reference_iterate")
"""Columns in which ``last`` stands for the largest value that a method has on a task."""

LEVEL = 0.95
EQUIVALENCE_LEVEL = 0.90
"""Two one-sided tests at 5 % each reject where the 90 % interval lies inside."""


def _check_filters(filters: dict[str, Any]) -> dict[str, Any]:
    columns = [*TEXTS, *NUMBERS]
    for column, wanted in filters.items():
        if column not in columns:
            hint = meant(column, columns) or f"expected some of: {_and(columns)}"
            raise ValueError(f"{column!r} is no column that tells rows apart; {hint}")
        if isinstance(wanted, dict):
            _check_range(column, wanted)
        elif isinstance(wanted, list):
            if not wanted:
                raise ValueError(f"{column}: an empty list matches nothing; list what is wanted")
            for value in wanted:
                _check_value(column, value)
        elif not (wanted == "last" and column in WITH_LAST):
            _check_value(column, wanted)
    return filters


def _check_range(column: str, wanted: dict[str, Any]) -> None:
    if column in TEXTS:
        raise ValueError(f"{column}: holds names, which have no range; expected a name or a list")
    if not wanted or not wanted.keys() <= {"from", "to"}:
        raise ValueError(f"{column}: {wanted}: expected {{from: a, to: b}}, one of which may lack")
    for end in wanted.values():
        _check_value(column, end)
    ends = list(wanted.values())
    if None in ends or (len(ends) == 2 and wanted["from"] > wanted["to"]):
        raise ValueError(f"{column}: {wanted}: expected from ≤ to, both whole numbers")


def _check_value(column: str, value: Any) -> None:
    if value is None and column in NULLABLE:
        return
    if column in TEXTS and not isinstance(value, str):
        raise ValueError(f"{column}: {value!r}: expected a name, in quotes if it looks a number")
    if column in NUMBERS and (isinstance(value, bool) or not isinstance(value, int)):
        also = " or last" if column in WITH_LAST else ""
        raise ValueError(f"{column}: {value!r}: expected a whole number{also}")


def _and(names: list[str]) -> str:
    return ", ".join(names)


_VALUE_SCHEMA: dict[str, Any] = {"type": ["string", "integer", "null"]}
_FILTER_SCHEMA: dict[str, Any] = {
    "anyOf": [
        _VALUE_SCHEMA,
        {"type": "array", "items": _VALUE_SCHEMA, "minItems": 1},
        {
            "type": "object",
            "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}

Filters = Annotated[
    dict[str, Any],
    AfterValidator(_check_filters),
    WithJsonSchema(
        {
            "type": "object",
            "properties": dict.fromkeys([*TEXTS, *NUMBERS], _FILTER_SCHEMA),
            "additionalProperties": False,
        }
    ),
]
"""Which rows: by column a value, a list of values, ``{from: a, to: b}`` (both included), null, or
``last`` (the largest iterate or position that a method has on a task)."""

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


class Criterion(Settings):
    """A region for the effect; exactly one form is given."""

    below: float | None = Field(default=None, description="the effect is less than this")
    above: float | None = Field(default=None, description="the effect is more than this")
    between: tuple[float, float] | None = Field(
        default=None, description="the effect lies in [a, b]"
    )
    near: float | None = Field(
        default=None, description="the effect lies around this, as far as within or within_relative"
    )
    within: float | None = Field(default=None, ge=0, description="how far from near")
    within_relative: float | None = Field(
        default=None, ge=0, description="how far from near, as a fraction of it"
    )

    @model_validator(mode="after")
    def _has_one_form(self) -> Criterion:
        forms = (
            "{below: x}, {above: x}, {between: [a, b]}, {near: x, within: d} or "
            "{near: x, within_relative: r}"
        )
        given = frozenset(self.model_dump(exclude_none=True))
        allowed = [{"below"}, {"above"}, {"between"}, {"near", "within"}]
        if given not in [frozenset(form) for form in [*allowed, {"near", "within_relative"}]]:
            found = _and(sorted(given)) or "nothing"
            raise ValueError(f"found {found}; expected exactly one of {forms}")
        if self.between and self.between[0] > self.between[1]:
            a, b = self.between
            raise ValueError(f"between: [{a:g}, {b:g}]: expected the lower bound first")
        if self.within_relative is not None and self.near == 0:
            raise ValueError("within_relative: a fraction of near, which is 0; expected within")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """The ends of the region; an infinite one is no bound."""
        if self.below is not None:
            return -math.inf, self.below
        if self.above is not None:
            return self.above, math.inf
        if self.between is not None:
            return self.between
        assert self.near is not None
        reach = self.within if self.within_relative is None else self._relative_reach(self.near)
        assert reach is not None
        return self.near - reach, self.near + reach

    def _relative_reach(self, near: float) -> float:
        assert self.within_relative is not None
        return self.within_relative * abs(near)

    def holds(self, value: float) -> bool:
        """Return whether an effect satisfies it; the ends count, but for below and above."""
        low, high = self.bounds
        is_strict = self.below is not None or self.above is not None
        return low < value < high if is_strict else low <= value <= high

    @property
    def words(self) -> str:
        """The criterion, for a table.

        Examples:
            >>> Criterion(below=0.02).words, Criterion(near=2.0, within_relative=0.05).words
            ('below 0.02', 'within 5 % of 2')
        """
        if self.below is not None:
            return f"below {_exact(self.below)}"
        if self.above is not None:
            return f"above {_exact(self.above)}"
        if self.between is not None:
            return f"between {_exact(self.between[0])} and {_exact(self.between[1])}"
        assert self.near is not None
        if self.within_relative is not None:
            return f"within {_exact(100 * self.within_relative)} % of {_exact(self.near)}"
        assert self.within is not None
        return f"within {_exact(self.within)} of {_exact(self.near)}"


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


def describe(filters: dict[str, Any]) -> str:
    """Return filters as a few words.

    Examples:
        >>> describe({"method": "newton", "iterate": {"from": 3, "to": 5}, "position": None})
        'method newton, iterate 3 to 5, no position'
        >>> describe({"iterate": "last", "task": ["haar", "noisy"]})
        'last iterate, task haar or noisy'
    """
    return ", ".join(_described(*item) for item in filters.items()) or "all rows"


def _described(column: str, wanted: Any) -> str:
    name = column.replace("_", " ")
    if wanted is None:
        return f"no {name}"
    if wanted == "last":
        return f"last {name}"
    if isinstance(wanted, list):
        return f"{name} {' or '.join('none' if value is None else str(value) for value in wanted)}"
    if isinstance(wanted, dict):
        ends = {"from": "from {}", "to": "up to {}"}
        if len(wanted) == 2:
            return f"{name} {wanted['from']} to {wanted['to']}"
        return f"{name} " + "".join(ends[end].format(value) for end, value in wanted.items())
    return f"{name} {wanted}"


def _versus(sign: str, of: dict[str, Any], other: dict[str, Any], reduce: str) -> str:
    of_what = "" if reduce == "mean" else f"{_REDUCED[reduce]} of "
    return f"{of_what}({describe(of)}) {sign} ({describe(other)})"


def _exact(value: float) -> str:
    text = f"{value:.12g}"
    return number(value) if "e" in text else text.replace("-", "−")

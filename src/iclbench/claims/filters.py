"""Which rows a claim speaks of, column by column: what is allowed, and in words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from iclbench.config.faults import meant

TEXTS = ("study", "task", "method", "family", "metric", "reference")
NUMBERS = ("seed", "iterate", "position", "reference_iterate")
NULLABLE = ("position", "reference", "reference_iterate")
WITH_LAST = ("iterate", "position", "reference_iterate")
"""Columns in which ``last`` stands for the largest value that a method has on a task."""


def _check_filters(filters: dict[str, Any]) -> dict[str, Any]:
    columns = [*TEXTS, *NUMBERS]
    for column, wanted in filters.items():
        if column not in columns:
            hint = meant(column, columns) or f"expected some of: {', '.join(columns)}"
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

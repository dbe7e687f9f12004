"""The rows that a figure draws, of tables that may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import acero

from iclbench.lazy import pd
from iclbench.records.files import as_frame, paths_of, read, read_through, scanned
from iclbench.records.schema import SCHEMA, RecordError

DRAWN = [name for name in SCHEMA.names if name not in ("config", "code")]

Draw = TypeVar("Draw", bound=Callable[..., object])


@dataclass(frozen=True)
class Selection:
    """The rows of one metric, and those of the pairs that were left out.

    Attributes:
        metric: The metric.
        last: ``iterate``: of each method on a task the last iterate alone. ``quarter``: of each
            task the last quarter of positions. None: all.
    """

    metric: str
    last: Literal["iterate", "quarter"] | None = None

    def read(self, source: Iterable[Path], task: str | None = None) -> pd.DataFrame:
        """Return the rows, of a task if one is given, without the digests of what made them.

        What is last is found in a first pass, which keeps a number a method; the second takes from
        each part of a file the rows wanted. So memory is that of the result and of a few parts.

        Raises:
            RecordError: As ``read`` does.
        """
        paths = paths_of(source)
        ran = pc.field("status").isin(["ok", "diverged"])
        wanted = (pc.field("metric") == self.metric) & ran
        if self.last is not None:
            wanted &= pc.field("position").is_valid()
        if task is not None:
            wanted &= pc.field("task") == task
        try:
            rows = [self._chosen(paths, wanted), _table(_scan(paths, ~ran))]
        except (OSError, pa.ArrowException) as error:
            read_through(paths)
            names = ", ".join(map(str, paths))
            raise RecordError(f"{names}: cannot be read together ({error}); run again") from error
        return as_frame(pa.concat_tables(rows))

    def _chosen(self, paths: list[Path], wanted: pc.Expression) -> pa.Table:
        parts = _scan(paths, wanted)
        match self.last:
            case None:
                return _table(parts)
            case "quarter":
                lengths = _largest(parts, "position", ["task"]).to_pylist()
                return _table(_scan(paths, wanted & _any(_in_last_quarter(**n) for n in lengths)))
        keys = ["task", "method", "iterate"]
        last = acero.TableSourceNodeOptions(_largest(parts, "iterate", keys[:2]))
        semi = acero.HashJoinNodeOptions("left semi", keys, keys)
        joined = [parts, acero.Declaration("table_source", last)]
        return _table(acero.Declaration("hashjoin", semi, inputs=joined))


def drawn_from(
    metric: str, last: Literal["iterate", "quarter"] | None = None
) -> Callable[[Draw], Draw]:
    """Return a decorator that says which rows a figure draws; without it, it is handed all."""

    def decorate(draw: Draw) -> Draw:
        draw.__dict__["selection"] = Selection(metric, last)
        return draw

    return decorate


def rows_to_draw(
    draw: Callable[..., object], source: Iterable[Path], task: str | None = None
) -> pd.DataFrame:
    """Return the rows that a figure's function is to be handed: of its selection, or else all.

    Raises:
        RecordError: As ``read`` does.
    """
    selection = getattr(draw, "selection", None)
    return selection.read(source, task) if isinstance(selection, Selection) else read(source)


def _scan(paths: list[Path], condition: pc.Expression) -> acero.Declaration:
    """Return the rows that fulfil a condition, to be read part after part."""
    scan = acero.ScanNodeOptions(scanned(paths), columns=DRAWN, filter=condition)
    return acero.Declaration.from_sequence(
        [
            acero.Declaration("scan", scan),
            acero.Declaration("filter", acero.FilterNodeOptions(condition)),
            acero.Declaration("project", acero.ProjectNodeOptions([pc.field(n) for n in DRAWN])),
        ]
    )


def _largest(parts: acero.Declaration, column: str, by: list[str]) -> pa.Table:
    """Return the largest number in a column for each group."""
    largest = acero.AggregateNodeOptions([(column, "hash_max", None, column)], keys=by)
    return _table(acero.Declaration("aggregate", largest, inputs=[parts]))


def _table(parts: acero.Declaration) -> pa.Table:
    return parts.to_table(use_threads=False)  # always in one order


def _in_last_quarter(task: str, position: int) -> pc.Expression:
    length = position + 1
    return (pc.field("task") == task) & (pc.field("position") >= length - max(1, length // 4))


def _any(conditions: Iterable[pc.Expression]) -> pc.Expression:
    return reduce(or_, conditions, pc.scalar(False))

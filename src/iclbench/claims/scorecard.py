"""The scorecard: one row a claim, as Parquet."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from iclbench.claims.claim import Claim
from iclbench.claims.verdicts import Verdict
from iclbench.files import DamagedFileError, written_aside

VERDICTS = ("supported", "refuted", "inconclusive", "not run")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # study/name
        pa.field("study", pa.string(), nullable=False),
        pa.field("paper", pa.string()),
        pa.field("place", pa.string(), nullable=False),  # where in the paper
        pa.field("statement", pa.string(), nullable=False),
        pa.field("provenance", pa.string(), nullable=False),  # published, authors' code, …
        pa.field("control", pa.bool_(), nullable=False),  # known to be false, must be refuted
        pa.field("statistic", pa.string(), nullable=False),  # in words
        pa.field("value", pa.float64()),  # the effect; null where nothing could be computed
        pa.field("low", pa.float64()),  # its interval
        pa.field("high", pa.float64()),
        pa.field("interval", pa.string()),  # what the interval is, in words
        pa.field("what", pa.string()),  # which pair or step it is, of several
        pa.field("criterion", pa.string(), nullable=False),  # in words
        pa.field("lower", pa.float64()),  # the criterion's region; null: no bound
        pa.field("upper", pa.float64()),
        pa.field("paper_value", pa.float64()),
        pa.field("seeds", pa.int32(), nullable=False),
        pa.field("scale", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),  # one of VERDICTS
        pa.field("as_expected", pa.bool_()),  # null if neither scale nor what is shipped decides
        pa.field("reason", pa.string(), nullable=False),
        pa.field("note", pa.string()),
        pa.field("figure", pa.string()),  # results/figures/NAME.pdf
        pa.field("evidence", pa.list_(pa.string()), nullable=False),  # results/metrics/….parquet
        pa.field("command", pa.string(), nullable=False),  # what decides it anew
        pa.field("config", pa.string(), nullable=False),  # digest of the settings
        pa.field("code", pa.string(), nullable=False),  # digest of the sources
    ]
)


def make_record(
    claim: Claim,
    verdict: Verdict,
    *,
    study: str,
    name: str,
    control: bool,
    paper: str | None,
    scale: str,
    root: int,
    evidence: Sequence[str],
    config: str,
    code: str,
) -> dict[str, Any]:
    """Return the row of a claim.

    Args:
        claim: The claim.
        verdict: What was decided.
        study: The study that it belongs to.
        name: Its name there, such as E7.
        control: Whether it is known to be false.
        paper: The paper that the study is about.
        scale: The scale of the run.
        root: The root of its random streams.
        evidence: Its tables, under results/metrics and without .parquet.
        config: The digest of the settings.
        code: The digest of the sources.
    """
    effect = verdict.effect
    lower, upper = claim.region.bounds
    expected = "refuted" if control else "supported"
    is_free = scale not in claim.scales or claim.needs is not None
    return {
        "id": f"{study}/{name}",
        "study": study,
        "paper": paper,
        "place": claim.place,
        "statement": claim.statement,
        "provenance": claim.provenance,
        "control": control,
        "statistic": claim.statistic.words,
        "value": _finite(effect and effect.value),
        "low": _finite(effect and effect.low),
        "high": _finite(effect and effect.high),
        "interval": effect.interval if effect else None,
        "what": effect.what or None if effect else None,
        "criterion": claim.region.words,
        "lower": _finite(lower),
        "upper": _finite(upper),
        "paper_value": claim.paper_value,
        "seeds": effect.seeds if effect else 0,
        "scale": scale,
        "verdict": verdict.word,
        "as_expected": None if verdict.word == "not run" and is_free else verdict.word == expected,
        "reason": verdict.reason,
        "note": claim.note,
        "figure": claim.figure,
        "evidence": list(evidence),
        "command": f"snakemake claim_{study}_{name} --cores all --forceall --config scale={scale}"
        + (f" seed={root}" if root else ""),
        "config": config,
        "code": code,
    }


def write_verdicts(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write the rows of claims (see ``make_record``), equal rows to equal bytes."""
    _write(pa.Table.from_pylist([dict(record) for record in records], schema=SCHEMA), path)


def read_verdicts(paths: Iterable[Path]) -> pd.DataFrame:
    """Return the rows of several claims by study, E2 before E10, controls after the claims.

    Raises:
        DamagedFileError: If a file is not one that ``write_verdicts`` wrote.
    """
    tables = [_read(path) for path in paths]
    table = pa.concat_tables([SCHEMA.empty_table(), *tables]).to_pylist()
    frame = pd.DataFrame(sorted(table, key=_natural), columns=SCHEMA.names)
    numbers = [field.name for field in SCHEMA if pa.types.is_floating(field.type)]
    return frame.astype(dict.fromkeys(numbers, float))


def write_scorecard(verdicts: pd.DataFrame, path: Path) -> None:
    """Write the rows that ``read_verdicts`` returned as one table."""
    _write(_table(verdicts), path)


def as_records(verdicts: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each row as plain data, None for null."""
    return _table(verdicts).to_pylist()


def _table(verdicts: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(verdicts, schema=SCHEMA, preserve_index=False)


def _natural(record: Mapping[str, Any]) -> tuple:
    parts = re.split(r"(\d+)", record["id"])  # every second part is a number
    name = [int(part) if index % 2 else part for index, part in enumerate(parts)]
    return record["study"], record["control"], name


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _write(table: pa.Table, path: Path) -> None:
    with written_aside(path) as aside:
        pq.write_table(
            table.replace_schema_metadata(), aside, compression="zstd", write_page_checksum=True
        )


def _read(path: Path) -> pa.Table:
    try:
        with path.open("rb") as file:
            table = pq.read_table(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        message = f"{path}: not the verdict of a claim ({error}); delete it and run again"
        raise DamagedFileError(message) from error
    if not table.schema.equals(SCHEMA):
        raise DamagedFileError(
            f"{path}: its columns are not those of a verdict; delete it and run again"
        )
    return table

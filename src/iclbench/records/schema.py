"""The one schema of everything measured, and what must hold of a row beyond its types."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from iclbench.files import JobError

LEFT_OUT = "left out: "
"""How the status of a task-method pair that was not run begins; the reason follows."""

FAMILIES = ("trained", "constructed", "solver", "reference")

SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),  # one of FAMILIES
        pa.field("seed", pa.int32(), nullable=False),  # 0 for a deterministic method
        pa.field("iterate", pa.int32(), nullable=False),  # depth, iteration or training step
        pa.field("position", pa.int32()),  # pairs seen; null: averaged over positions
        pa.field("metric", pa.string(), nullable=False),
        pa.field("reference", pa.string()),  # the second method of a similarity …
        pa.field("reference_iterate", pa.int32()),  # … and its depth or iteration
        pa.field("value", pa.float64()),  # finite; null unless the status is ok
        pa.field("stderr", pa.float64()),  # standard error of the value over prompts
        pa.field("n", pa.int64(), nullable=False),  # prompts averaged
        pa.field("status", pa.string(), nullable=False),  # ok, diverged, or left out: <reason>
        pa.field("scale", pa.string(), nullable=False),
        pa.field("config", pa.string(), nullable=False),  # digest of the settings
        pa.field("code", pa.string(), nullable=False),  # digest of the sources
    ]
)

KEY = SCHEMA.names[: SCHEMA.get_field_index("value")]
"""What a row is a measurement of: no two rows of a file share it, and files are sorted by it."""


class RecordError(JobError):
    """Rows that cannot be written or read: which file and column, what was expected, what to do."""


def check(table: pa.Table, where: object) -> None:
    """Check what the types do not say.

    Raises:
        RecordError: If a required value is null, a number is not finite, a family or status is not
            one of ours, or a value and its status contradict each other.
    """
    for field in SCHEMA:
        if not field.nullable and table[field.name].null_count:
            raise RecordError(f"{where}: {field.name}: null; expected a value in every row")
    for name in ("value", "stderr"):
        if not np.isfinite(table[name].drop_null().to_numpy()).all():
            raise RecordError(
                f"{where}: {name}: NaN or infinity; expected a finite number; write null, and for "
                "a value the status 'diverged'"
            )
    for family in table["family"].unique().to_pylist():
        if family not in FAMILIES:
            raise RecordError(
                f"{where}: family: {family!r} is no family; expected one of: {', '.join(FAMILIES)}"
            )
    for status in table["status"].unique().to_pylist():
        if not re.fullmatch(rf"ok|diverged|{LEFT_OUT}.+", status):
            raise RecordError(
                f"{where}: status: {status!r} is no status; expected 'ok', 'diverged' or "
                f"'{LEFT_OUT}<reason>'"
            )
    status, value = pc.field("status"), pc.field("value")
    if len(table.filter((status == "ok") != value.is_valid())):
        raise RecordError(
            f"{where}: value: null or NaN under the status 'ok', or given under another; expected "
            "a finite value exactly where the status is 'ok'; the other statuses are 'diverged' "
            f"and '{LEFT_OUT}<reason>'"
        )
    if len(table.filter(pc.field("n") < 0)):
        raise RecordError(f"{where}: n: negative; expected the number of prompts averaged")

"""The row: its schema, its provenance, reading and writing."""

from iclbench.records.files import provenance, read, write
from iclbench.records.origin import collect_provenance
from iclbench.records.rows import left_out, make_rows
from iclbench.records.schema import FAMILIES, LEFT_OUT, SCHEMA, RecordError

__all__ = [
    "FAMILIES",
    "LEFT_OUT",
    "SCHEMA",
    "RecordError",
    "collect_provenance",
    "left_out",
    "make_rows",
    "provenance",
    "read",
    "write",
]

"""The row: its schema, its provenance, reading and writing."""

from iclbench.records.files import provenance, read, write
from iclbench.records.origin import collect_provenance
from iclbench.records.rows import left_out, make_rows
from iclbench.records.schema import FAMILIES, LEFT_OUT, SCHEMA, RecordError
from iclbench.records.selection import Selection, drawn_from, rows_to_draw

__all__ = [
    "FAMILIES",
    "LEFT_OUT",
    "SCHEMA",
    "RecordError",
    "Selection",
    "collect_provenance",
    "drawn_from",
    "left_out",
    "make_rows",
    "provenance",
    "read",
    "rows_to_draw",
    "write",
]

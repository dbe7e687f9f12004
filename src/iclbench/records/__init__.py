"""The row: its schema, its provenance, reading and writing."""

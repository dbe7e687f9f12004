"""Errors, similarities and intervals: what several papers measure."""

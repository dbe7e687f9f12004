"""Errors, similarities and intervals: what several papers measure."""

from iclbench.measures.errors import mean_and_stderr, rows_from_errors, squared_errors
from iclbench.measures.intervals import (
    bootstrap,
    difference_of_means,
    half_width,
    interval_over_seeds,
)
from iclbench.measures.similarity import (
    best_match,
    directions,
    mean_cosines,
    similarity_of_errors,
    similarity_of_weights,
)
from iclbench.measures.weights import induced_weights

__all__ = [
    "best_match",
    "bootstrap",
    "difference_of_means",
    "directions",
    "half_width",
    "induced_weights",
    "interval_over_seeds",
    "mean_and_stderr",
    "mean_cosines",
    "rows_from_errors",
    "similarity_of_errors",
    "similarity_of_weights",
    "squared_errors",
]

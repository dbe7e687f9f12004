"""Rows from arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from iclbench.lazy import pd
from iclbench.records.schema import LEFT_OUT, SCHEMA

Numbers = np.ndarray | Sequence[Any] | np.number | float | int
Names = np.ndarray | Sequence[Any] | str

LABELS = ("study", "task", "method", "family", "seed", "scale", "config", "code")


def make_rows(
    labels: Mapping[str, Any],
    *,
    metric: Names,
    iterate: Numbers,
    value: Numbers,
    n: Numbers,
    stderr: Numbers = np.nan,
    position: Numbers | None = None,
    reference: Names | None = None,
    reference_iterate: Numbers | None = None,
    seed: Numbers | None = None,
) -> pd.DataFrame:
    """Return one row an entry of the arrays, which are broadcast against each other.

    A value that is not finite becomes null with the status ``diverged``, its standard error too.

    Args:
        labels: What all rows share: study, task, method, family, seed, scale, config and code.
        metric: The name of what was measured.
        iterate: Depth, iteration or training step.
        value: What was measured.
        n: How many prompts it is the mean of.
        stderr: Its standard error over prompts; NaN where there is none.
        position: How many pairs had been seen; None for a mean over positions.
        reference: The second method, of a similarity.
        reference_iterate: Its depth or iteration.
        seed: The seeds, where the rows have several; the label ``seed`` stands for a single one.

    Raises:
        ValueError: If a label is missing or unknown.

    Examples:
        A similarity of K1 depths with K2 iterations, with ``mean`` of shape (K1, K2)::

            make_rows(labels, metric="similarity", iterate=depths[:, None], value=mean,
                      stderr=stderr, n=256, reference="newton", reference_iterate=steps)
    """
    if set(labels) != set(LABELS):
        wrong = ", ".join(sorted(set(labels) ^ set(LABELS)))
        raise ValueError(f"labels missing or unknown: {wrong}; expected: {', '.join(LABELS)}")
    blank = np.nan
    arrays = np.broadcast_arrays(
        np.asarray(metric),
        np.asarray(reference, dtype=object),
        np.asarray(iterate),
        blank if position is None else np.asarray(position, dtype=float),
        blank if reference_iterate is None else np.asarray(reference_iterate, dtype=float),
        np.asarray(labels["seed"] if seed is None else seed),
        np.asarray(value, dtype=float),
        np.asarray(stderr, dtype=float),
        np.asarray(n),
    )
    names, references, depth, seen, other, seeds, mean, spread, count = (
        array.reshape(-1) for array in arrays
    )
    finite = np.isfinite(mean)
    columns = {
        **labels,
        "seed": seeds.astype(np.int64),
        "metric": pd.array(names, dtype="str"),
        "iterate": depth.astype(np.int32),
        "position": pd.array(seen, dtype="Int32"),
        "reference": pd.array(references, dtype="str"),
        "reference_iterate": pd.array(other, dtype="Int32"),
        "value": np.where(finite, mean, np.nan),
        "stderr": np.where(finite & np.isfinite(spread), spread, np.nan),
        "n": count.astype(np.int64),
        "status": pd.array(["diverged", "ok"], dtype="str").take(finite.astype(int)),
    }
    return pd.DataFrame({name: columns[name] for name in SCHEMA.names}, index=range(len(mean)))


def left_out(labels: Mapping[str, Any], reason: str) -> pd.DataFrame:
    """Return the one row that says why a method was not run on a task."""
    row = make_rows(labels, metric="normalised_error", iterate=0, value=np.nan, n=0)
    return row.assign(status=LEFT_OUT + reason)

"""Rows to judge claims by."""

import numpy as np
import pandas as pd

from iclbench.claims.claim import Claim
from iclbench.records import make_rows

LABELS = {
    "study": "ckd",
    "task": "periodic",
    "family": "solver",
    "seed": 0,
    "scale": "laptop",
    "config": "c0ffee",
    "code": "deadbeef",
}


def rows_of(values, method="limit", metric="error", iterate=0, **options):
    """One row a seed of a metric of a method."""
    values = np.atleast_1d(np.asarray(values, dtype=float))
    seeds = options.pop("seed", np.arange(len(values)))
    labels = LABELS | {"method": method}
    return make_rows(
        labels, metric=metric, iterate=iterate, value=values, n=1, seed=seeds, **options
    )


def curve(values, x, **options):
    """Rows of values of shape (seed, x)."""
    return pd.concat(
        [
            rows_of(column, iterate=int(at), **options)
            for at, column in zip(x, values.T, strict=True)
        ],
        ignore_index=True,
    )


def claim(statistic=None, criterion=None, **options):
    """A claim about them."""
    fields = {
        "statement": "The error is small.",
        "place": "Theorem 1",
        "provenance": "published",
        "evidence": ["periodic"],
        "statistic": statistic or {"kind": "value"},
    }
    given = {} if criterion is None else {"criterion": criterion}
    return Claim.model_validate(fields | given | options)

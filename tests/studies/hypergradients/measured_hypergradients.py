"""Measurements of hypergradients with few settings, and numbers out of their rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from iclbench.registry import find

LABELS = {"study": "hypergradients", "task": "some", "scale": "smoke", "config": "c", "code": "d"}
NAMES = ("hypergradients", "some")


def made(kind, **settings):
    return find("measurements", kind).model_validate({"kind": kind, **settings})


def measured(kind, **settings) -> pd.DataFrame:
    measurement = made(kind, **settings)
    return pd.concat(list(measurement.measure(NAMES, LABELS)), ignore_index=True)


def values(rows, metric, method, along="iterate", seed=0) -> np.ndarray:
    chosen = rows[(rows["metric"] == metric) & (rows["method"] == method) & (rows["seed"] == seed)]
    return chosen.sort_values(along)["value"].to_numpy(dtype=float)

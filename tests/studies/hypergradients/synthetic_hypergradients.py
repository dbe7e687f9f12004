"""Rows of known numbers, as the measurements of hypergradients make them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from iclbench.records import make_rows
from iclbench.studies.hypergradients.looks import LOOKS

LABELS = {"study": "hypergradients", "scale": "smoke", "config": "c", "code": "d", "seed": 0}
SEEDS = np.arange(3)
SIX = [name for name in LOOKS if name != "unrolled"]
FIXED = ("fixed_1e-2", "fixed_1e-1", "fixed_1e0", "fixed_1e1")


def own(task, method):
    family = "reference" if method == "inner" else "solver"
    return {**LABELS, "task": task, "method": method, "family": family}


def of_errors(seeds=SEEDS) -> pd.DataFrame:
    """Errors C distance^p of known C, p by seed; the ideal one exact in one task of two."""
    tables = []
    aims = 10.0 ** np.linspace(1, -4, 21)
    spread = 1 + 0.2 * seeds[:, None]
    for task, is_logistic in {
        "diabetes_affine": False,
        "diabetes_quadratic": False,
        "cancer_weak": True,
        "a_new_one": True,
    }.items():
        same = {"iterate": np.arange(21), "n": 1, "seed": seeds[:, None]}
        distances = aims / spread
        row = {"metric": "distance", "value": distances}
        tables.append(make_rows(own(task, "inner"), **row, **same))
        tables.append(make_rows(own(task, "inner"), metric="steps", value=0 * distances, **same))
        for index, method in enumerate(SIX):
            if is_logistic and method == "reparameterised_ideal":
                continue
            power = 2 if method == "preconditioned_newton" else 1
            errors = 0.3**index * distances**power
            is_exact = not is_logistic and method == "preconditioned_newton"
            is_exact |= task == "diabetes_affine" and method == "reparameterised_ideal"
            if is_exact:
                errors = 1e-17 * distances
            row = {"metric": "hypergradient_error", "value": errors}
            tables.append(make_rows(own(task, method), **row, **same))
            decades = np.array([[3], [4]])
            slope = power + 0.01 * seeds + 0.1 * (4 - decades)
            row = {"metric": "slope", "reference": "distance", "reference_iterate": decades}
            same_slope = {"iterate": 0, "n": 1, "seed": seeds}
            if not is_exact:
                tables.append(make_rows(own(task, method), value=slope, **row, **same_slope))
    return pd.concat(tables, ignore_index=True)


def of_depths(seeds=SEEDS) -> pd.DataFrame:
    depths = np.array([1, 2, 5, 10, 30, 100])
    same = {"iterate": depths, "position": 15, "n": 9, "seed": seeds[:, None]}
    spread = 1 + seeds[:, None]
    tables = [
        make_rows(
            own("in_context", method),
            metric="relative_error",
            value=(0.0 if method == "preconditioned_newton" else 1)
            * spread
            / depths ** (index + 1),
            **same,
        )
        for index, method in enumerate(LOOKS)
    ]
    inner = own("in_context", "inner")
    tables.append(make_rows(inner, metric="distance", value=spread * 0.5 / depths, **same))
    return pd.concat(tables, ignore_index=True)


def of_ratios(seeds=SEEDS) -> pd.DataFrame:
    t = np.array([5, 10, 20, 40])
    same = {"iterate": 0, "position": t, "n": 9, "seed": seeds[:, None]}
    tables = []
    for task in ("tuning_01", "tuning_2", "tuning_mixed", "tuning_other"):
        for index, method in enumerate(("bilevel", "cross_validated", *FIXED)):
            ratio = 1 + (2 + seeds[:, None] / 4) * 3.0**index / t
            tables += [
                make_rows(own(task, method), metric=metric, value=ratio, **same)
                for metric in ("error_ratio", "excess_ratio")
            ]
        tables.append(make_rows(own(task, "oracle"), metric="error", value=1.0, **same))
    return pd.concat(tables, ignore_index=True)

"""Made rows of the study of Newton's iteration, with errors known in closed form."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from scipy.stats import t as student

from iclbench.records import make_rows

LABELS = {"study": "newton", "scale": "smoke", "config": "c", "code": "d", "seed": 0}
POSITIONS = np.arange(9)
SEEDS = np.arange(3)
SPREAD, RELATIVE = 0.1, 0.05
"""Of seeds of trained models, in the logarithm; the relative standard error over prompts."""

STUDENT = student.ppf(0.975, 2) * SPREAD / np.sqrt(3)
NORMAL = 1.96 * RELATIVE
TRAINED = ("newton_gpt2", "newton_width", "newton_lstm")
LAYERS, ITERATIONS, STEPS = (1, 2, 3), (1, 2, 3, 5, 9, 14), (1, 4, 16, 64, 256)


def error(rate, iterate, position):
    """Return an error that falls with iterates and pairs, at a rate of the method's own."""
    return np.exp(-rate * (0.05 * np.minimum(iterate, 20) + 0.3 * np.asarray(position)))


def rows_of(task, method, iterate, value, metric="normalised_error", **where):
    """Return rows whose geometric mean over seeds is the value, of one seed if not trained."""
    is_trained = method.startswith(TRAINED)
    family = "trained" if is_trained else "reference" if method == "bayes" else "solver"
    value = np.atleast_1d(np.asarray(value, dtype=float))
    factors = np.exp(SPREAD * (SEEDS - 1)) if is_trained else np.ones(1)
    return pd.concat(
        [
            make_rows(
                LABELS | {"task": task, "method": method, "family": family, "seed": seed},
                metric=metric,
                iterate=iterate,
                value=value * factor,
                stderr=RELATIVE * value,
                n=9,
                **where,
            )
            for seed, factor in enumerate(factors)
        ],
        ignore_index=True,
    )


def errors_of(task, method, rate, iterates):
    tables = []
    for iterate in iterates:
        each = error(rate, iterate, POSITIONS)
        tables.append(rows_of(task, method, iterate, each, position=POSITIONS))
        tables.append(rows_of(task, method, iterate, each.mean()))
    return pd.concat(tables, ignore_index=True)


@cache
def of_layers() -> pd.DataFrame:
    solvers = {"newton": ITERATIONS, "gd_fixed": STEPS}
    tables = [errors_of("linear", method, 0.7, grid) for method, grid in solvers.items()]
    for suffix, rate in {"": 0.5, "_retrained": 0.6, "_least_squares": 0.8}.items():
        tables.append(errors_of("layers", "newton_gpt2" + suffix, rate, LAYERS))
        for reference, grid in (solvers | {"ols": (0,) * 3}).items():
            for layer in LAYERS:
                at = {"metric": "best_match", "reference": reference}
                best = grid[layer - 1] + 0.5 * (reference == "newton")
                tables.append(rows_of("layers", "newton_gpt2" + suffix, layer, best, **at))
    # The task has the errors of the model, too: the same ones.
    tables.append(errors_of("linear", "newton_gpt2", 0.5, LAYERS))
    tables.append(errors_of("linear", "newton_lstm", 0.5, LAYERS))
    return pd.concat(tables, ignore_index=True)


@cache
def of_contexts() -> pd.DataFrame:
    tables = []
    for task in ("ill_conditioned", "linear", "noisy"):
        model = "newton_gpt2" + ("" if task == "linear" else f"_{task}")
        descent = "gd_fixed_ill_conditioned" if task == "ill_conditioned" else "gd_fixed"
        tables += [
            errors_of(task, "newton", 0.7, ITERATIONS),
            errors_of(task, descent, 0.4, STEPS),
            errors_of(task, model, 0.6, LAYERS),
            errors_of(task, "gd_online", 0.2, (0,)),
            errors_of(task, "ols", 0.8, (0,)),
        ]
    tables += [
        errors_of("linear", "bayes", 0.8, (0,)),
        errors_of("linear", "newton_gpt2_24", 0.65, LAYERS),
        errors_of("noisy", "bayes", 1.1, (0,)),
        errors_of("noisy", "newton_regularised", 0.9, ITERATIONS),
    ]
    tables += [errors_of("linear", f"newton_width_{w}", w / 40, LAYERS) for w in (4, 8, 16, 32)]
    return pd.concat(tables, ignore_index=True)


def of_widths() -> pd.DataFrame:
    rows = of_contexts()
    return rows[rows["task"] == "linear"]


@cache
def of_memory() -> pd.DataFrame:
    gaps = POSITIONS[1:]
    tables = [errors_of("linear", "newton_gpt2_24", 0.6, LAYERS)]
    methods = {"newton_gpt2": LAYERS, "newton_lstm": LAYERS, "newton": ITERATIONS, "ols": (0,)}
    for rate, (method, iterates) in enumerate(methods.items(), 2):
        tables.append(errors_of("linear", method, rate / 5, iterates))
        forgotten = 1.1 - error(rate / 5, 0, gaps)
        at = {"metric": "recall_error", "reference": "gap", "reference_iterate": gaps}
        tables.append(rows_of("memory", method, iterates[-1], forgotten, **at))
    return pd.concat(tables, ignore_index=True)

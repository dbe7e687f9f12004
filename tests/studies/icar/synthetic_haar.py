"""Rows as a run of models, solvers and references on Haar sequences gives them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from iclbench.records import make_rows

LEVELS = {
    "zero": ("solver", 0.2),
    "gd_one_step_normalised": ("solver", 0.0437),
    "gd": ("solver", 0.052),
    "ols": ("solver", 0.0121),
    "bayes": ("reference", 0.0121),
    "oracle": ("reference", 1e-33),
}
DEPTHS = {1: 0.0361, 2: 0.0249, 3: 0.0210, 4: 0.019, 5: 0.018, 6: 0.0175}
HEADS = {1: 0.1364, 2: 0.125, 4: 0.114, 8: 0.1027, 16: 0.097, 32: 0.094, 64: 0.093}


def errors_of(rng, labels, level, length, iterates=(1,)):
    seen = np.arange(length)
    value = level + (0.2 - level) * np.exp(-seen / 3) * (level < 0.2) * (level > 1e-20)
    value = np.array([value * (1 + len(iterates) - k) for k in range(1, len(iterates) + 1)])
    value = value * np.exp(0.03 * rng.normal())
    same = {"metric": "squared_error", "n": 256, "iterate": np.array(iterates)[:, None]}
    yield make_rows(labels, value=value, position=seen, stderr=value / 30, **same)
    mean = value.mean(1, keepdims=True)
    yield make_rows(labels, value=mean, stderr=mean / 30, **same)


def make(depths=DEPTHS, heads=HEADS, levels=LEVELS, seeds=3, length=50, trained=True):
    rng = np.random.default_rng(0)
    tables = []
    shared = {"study": "icar", "task": "haar", "scale": "laptop", "config": "c", "code": "d"}
    for name, (family, level) in levels.items():
        labels = shared | {"method": name, "family": family, "seed": 0}
        iterates = (1, 2, 4) if name == "gd" else (0,)
        tables += errors_of(rng, labels, level, length, iterates)
    models = {f"augmented_{depth}": (depth, level) for depth, level in depths.items()}
    models |= {f"plain_{count}": (1, level) for count, level in heads.items()}
    for name, (depth, level) in models.items():
        for seed in range(seeds):
            labels = shared | {"method": name, "family": "trained", "seed": seed}
            iterates = tuple(range(1, depth + 1))
            tables += errors_of(rng, labels, level, length, iterates)
            if trained:
                steps = np.arange(50, 3201, 50)
                value = level + 0.2 * np.exp(-steps / 200) * np.exp(0.1 * rng.normal())
                tables.append(
                    make_rows(labels, metric="training_loss", iterate=steps, value=value, n=1)
                )
    return pd.concat(tables, ignore_index=True)

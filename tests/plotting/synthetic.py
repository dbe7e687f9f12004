"""Rows as a real run gives them: 20 tasks, 52 methods, pairs left out, some diverging."""

from __future__ import annotations

import numpy as np
import pandas as pd

from iclbench.records import left_out, make_rows

TASKS = (
    *("commuting_orthogonal", "commuting_unitary", "concentrated", "gp_exponential", "gp_linear"),
    *("gp_relu", "haar", "ill_conditioned", "linear", "linear_damped", "network_relu"),
    *("network_tanh", "noisy", "periodic", "recall", "relu_network", "rkhs", "rotation", "sparse"),
    "two_layer_teacher",
)
TRAINED = (
    *("gpt2_small", "gpt2_tiny", "linear_attention", "softmax_attention", "relu_attention"),
    *("exponential_attention", "delta", "mesa", "paired_linear", "paired_softmax"),
)
CONSTRUCTED = (
    *("ckd_exponential", "ckd_linear", "ckd_softmax", "delta_layer", "functional_gd_exponential"),
    *("functional_gd_linear", "functional_gd_relu", "functional_gd_softmax", "gated_layer"),
    *("mesa_layer", "newton_layers", "one_gd_step"),
)
SOLVERS = (
    *("averaging", "bilevel_kernel_ridge", "bilevel_ridge", "conjugate_gradient"),
    *("descent_exponential", "descent_linear", "descent_softmax", "descent_softmax_limit", "gd"),
    *("gd_one_step_normalised", "gd_online", "gd_stable", "gp_mean_exponential"),
    *("gp_mean_linear", "gp_mean_relu", "kaczmarz", "kaczmarz_cyclic", "kaczmarz_exponential"),
    *("kaczmarz_randomised", "kernel_ridge_exponential", "kernel_ridge_relu"),
    *("nearest_neighbours", "newton", "ols", "ridge", "ridge_cross_validated"),
    *("ridge_strong", "zero"),
)
METHODS = (
    dict.fromkeys(TRAINED, "trained")
    | dict.fromkeys(CONSTRUCTED, "constructed")
    | dict.fromkeys(SOLVERS, "solver")
    | {"oracle": "reference", "bayes": "reference"}
)
REASONS = (
    "needs scalar outputs, but the task's outputs are vectors",
    "needs unit-norm inputs, but the task's inputs are not on the unit sphere",
    "needs autoregressive, but the task is not a sequence s, f(s), f(f(s)), …",
    "needs noise-free, but the task's outputs carry noise",
    "needs scalar outputs, but the task's outputs are vectors; needs unit-norm inputs, but the "
    "task's inputs are not on the unit sphere",
)


def labels(task, method, seed=0):
    return {
        "study": "leaderboard",
        "task": task,
        "method": method,
        "family": METHODS[method],
        "seed": seed,
        "scale": "laptop",
        "config": "c0ffee",
        "code": "deadbeef",
    }


def iterates_of(method):
    if METHODS[method] in ("trained", "constructed"):
        return np.arange(1, 3 + 3 * (METHODS[method] == "trained") + len(method) % 3 * 3)
    if METHODS[method] == "reference" or len(method) % 3 == 0:
        return np.array([0])
    return np.unique(np.geomspace(1, 20 * 5 ** (len(method) % 4), 14).astype(int)) - 1


def errors_of(rng, task, method, seeds, length):
    depth = iterates_of(method)
    floor = {"oracle": -3, "bayes": -2.5}.get(method, rng.uniform(-6, 0.5))
    if METHODS[method] == "trained":
        floor = rng.uniform(-3, 0)
    if method == "ols":
        floor = -28
    t = np.arange(length)
    knee = rng.uniform(5, 25)
    learned = 1 / (1 + np.exp(-(t - knee) / 3)) if method != "oracle" else np.ones(length)
    progress = 1 - np.exp(-3 * (depth + 1) / (depth[-1] + 1))
    for seed in range(seeds):
        log = floor * learned * progress[:, None] + 0.03 * rng.normal(size=(len(depth), length))
        value = 10 ** (log + 0.15 * rng.normal())
        if method == "gd" and task in ("ill_conditioned", "rkhs"):
            value = np.where(depth[:, None] > depth[-1] // 4, np.inf, value)
        if method == "descent_linear" and task == "haar":
            value = 10.0 ** (depth[:, None] / depth[-1] * 6 + 0 * t)
        same = {"metric": "normalised_error", "iterate": depth[:, None], "n": 256}
        yield make_rows(
            labels(task, method, seed), position=t, value=value, stderr=value / 16, **same
        )
        with np.errstate(invalid="ignore"):
            mean = value.mean(1, keepdims=True)
        yield make_rows(labels(task, method, seed), value=mean, stderr=mean / 16, **same)


def similarities_of(rng, task, method, seeds):
    depth = iterates_of(method)
    for solver in SOLVERS:
        steps = iterates_of(solver)
        best = np.linspace(0, len(steps) - 1, len(depth))[:, None]
        for seed in range(seeds):
            value = np.exp(-(((np.arange(len(steps)) - best) / (2 + len(solver) % 5)) ** 2))
            yield make_rows(
                labels(task, method, seed),
                metric="similarity",
                iterate=depth[:, None],
                reference=solver,
                reference_iterate=steps,
                value=np.clip(value + 0.02 * rng.normal(size=value.shape), -1, 1),
                stderr=0.01,
                n=256,
            )


def training_of(rng, task, method, seeds):
    steps = np.arange(50, 5001, 50)
    end, rate = rng.uniform(-2, 0), rng.uniform(200, 2000)
    for seed in range(seeds):
        log = end * (1 - np.exp(-steps / rate)) + 0.02 * rng.normal(size=len(steps))
        value = 10 ** (log + 0.1 * rng.normal())
        if method == "delta" and task == "noisy" and seed == 1:
            value[60:] = np.nan
        yield make_rows(
            labels(task, method, seed), metric="training_loss", iterate=steps, value=value, n=3200
        )


def is_left_out(task, method):
    lot = (TASKS.index(task) * 7 + len(method) * 5) % 9
    return METHODS[method] == "solver" and lot < 2


def make(tasks=TASKS, methods=tuple(METHODS), seeds=3, length=41, seed=0, compared="haar"):
    rng = np.random.default_rng(seed)
    tables = []
    for task in tasks:
        for method in methods:
            if is_left_out(task, method):
                reason = REASONS[(len(task) + len(method)) % len(REASONS)]
                tables.append(left_out(labels(task, method), reason))
                continue
            trained = METHODS[method] == "trained"
            count = seeds if trained else 1
            tables += errors_of(rng, task, method, count, length)
            if METHODS[method] in ("trained", "constructed") and task == compared:
                tables += similarities_of(rng, task, method, count)
            if trained:
                tables += training_of(rng, task, method, count)
    return pd.concat(tables, ignore_index=True)

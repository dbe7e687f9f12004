"""Hypergradients and tuned penalties in context, against plain loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from measured_hypergradients import LABELS, NAMES, made, measured, values
from pydantic import ValidationError
from scipy.stats import kstest

from iclbench.registry import find
from iclbench.streams import stream
from iclbench.studies.hypergradients.estimators import ESTIMATORS
from iclbench.studies.hypergradients.tuning import _cross_validated

SMALL = {"dim": 3, "pairs": 6, "queries": 4, "prompts": 5, "noise": 0.5, "log_penalty": 0.3}


def prompts(study, seed=0):
    """Return inputs and outputs of a seed, and the step."""
    task = find("regression", "linear").model_validate(
        {"kind": "linear", "dim": study.dim, "noise": study.noise}
    )
    drawn = task.sample(stream(*NAMES, seed), study.prompts, study.pairs + study.queries)
    X, y = drawn.inputs, drawn.outputs[..., 0]
    n = study.pairs
    largest = [np.linalg.norm(x[:n].T @ x[:n] + np.exp(0.3) * np.eye(3), 2) / n for x in X]
    return X, y, 1 / max(largest)


def test_layers_are_updates_of_tokens():
    study = made("hypergradient_in_context", depths=[1, 4, 30], **SMALL)
    X, y, step = prompts(study)
    h, n = torch.tensor(0.3, dtype=torch.float64), study.pairs
    weights = study._layers((torch.from_numpy(X), torch.from_numpy(y)), h, step).numpy()
    assert weights.shape == (31, 5, 3)
    decay = step * np.exp(0.3) / n
    r = y.copy()
    for w in weights:
        np.testing.assert_allclose(r, y - np.einsum("bti,bi->bt", X, w), atol=1e-12)
        attended = np.einsum("bti,bji,bj->bt", X, X[:, :n], r[:, :n])
        r = (1 - decay) * r + decay * y - step / n * attended


def test_estimates_are_means_over_prompts():
    study = made("hypergradient_in_context", seeds=1, depths=[1, 4, 9], **SMALL)
    rows = pd.concat(list(study.measure(NAMES, LABELS)))
    X, y, step = prompts(study)
    n = study.pairs

    def loss(h, depth):
        total = 0.0
        for x, b in zip(X, y, strict=True):
            w = np.zeros(3)
            for _ in range(depth):
                w = w - step * (x[:n].T @ (x[:n] @ w - b[:n]) + np.exp(h) * w) / n
            total += ((x[n:] @ w - b[n:]) ** 2).mean() / len(X)
        return total

    def estimate(depth):
        """The implicit function theorem, prompt by prompt; depth None: at the solution."""
        found = []
        for x, b in zip(X, y, strict=True):
            A = x[:n].T @ x[:n] + np.exp(0.3) * np.eye(3)
            solution = np.linalg.solve(A, x[:n].T @ b[:n])
            w = solution
            if depth is not None:
                w = solution - np.linalg.matrix_power(np.eye(3) - step * A / n, depth) @ solution
            inner = 2 * x[n:].T @ (x[n:] @ w - b[n:]) / study.queries
            found.append(-np.exp(0.3) * w @ np.linalg.solve(A, inner))
        return np.mean(found)

    exact = estimate(None)
    for place, depth in enumerate(study.depths):
        wanted = abs(estimate(depth) / exact - 1)
        assert values(rows, "relative_error", "vanilla")[place] == pytest.approx(wanted, rel=1e-8)
        through = (loss(0.3 + 1e-5, depth) - loss(0.3 - 1e-5, depth)) / 2e-5
        found = values(rows, "relative_error", "unrolled")[place]
        assert found == pytest.approx(abs(through / exact - 1), rel=1e-5)
    assert (values(rows, "relative_error", "preconditioned_newton") < 1e-12).all()


def test_all_estimators_tend_to_the_gradient():
    depths = [1, 30, 2000]
    rows = measured("hypergradient_in_context", seeds=2, depths=depths, **SMALL)
    for seed in range(2):
        for method in (*ESTIMATORS, "unrolled"):
            errors = values(rows, "relative_error", method, seed=seed)
            assert errors[-1] < 1e-9, method
        distances = values(rows, "distance", "inner", seed=seed)
        assert (np.diff(distances) < 0).all()
        assert distances[-1] < 1e-12


TUNED = {"dim": 3, "positions": [4, 12], "steps": 5}


def test_the_oracle_is_best_on_average():
    rows = measured("ridge_tuning", seeds=4, prompts=150, noise=(0.3, 2.0), **TUNED)
    excess = rows[rows["metric"] == "excess"].groupby(["position", "method"])["value"].mean()
    for position in TUNED["positions"]:
        here = excess[position]
        assert set(here.index) > {"oracle", "bilevel", "cross_validated", "fixed_1e0"}
        assert here["oracle"] == here.min()
    ratios = rows[rows["metric"].str.endswith("_ratio")]
    assert "oracle" not in set(ratios["method"])
    assert set(ratios["method"]) == set(here.index) - {"oracle"}


def test_errors_are_the_excess_and_the_noise():
    rows = measured("ridge_tuning", seeds=1, prompts=20, noise=0.7, **TUNED)
    for method in ("oracle", "bilevel", "fixed_1e-2"):
        excess, error = (values(rows, name, method, "position") for name in ("excess", "error"))
        np.testing.assert_allclose(error - excess, 0.49, rtol=1e-12)
    wanted = values(rows, "error", "bilevel", "position") / values(
        rows, "error", "oracle", "position"
    )
    np.testing.assert_allclose(values(rows, "error_ratio", "bilevel", "position"), wanted)


def test_the_oracle_of_a_power_of_ten_is_that_fixed_penalty():
    rows = measured("ridge_tuning", seeds=1, prompts=20, noise=0.1, **TUNED)
    np.testing.assert_allclose(values(rows, "error_ratio", "fixed_1e-2", "position"), 1, rtol=1e-9)


@pytest.mark.parametrize("t", [2, 5, 9])
def test_cross_validation_leaves_one_out(t):
    rng = stream("leave", "one", "out")
    x, w = rng.normal(size=(6, 12, 3)), rng.normal(size=(6, 3))
    y = np.einsum("bti,bi->bt", x, w) + rng.normal(size=(6, 12))
    wanted = []
    for inputs, labels in zip(x, y, strict=True):

        def fit(keep, penalty, inputs=inputs, labels=labels):
            X = inputs[keep]
            return np.linalg.solve(X.T @ X + penalty * np.eye(3), X.T @ labels[keep])

        losses = []
        grid = 10.0 ** np.linspace(-4, 3, 22)
        for penalty in grid:
            left = [[i for i in range(t) if i != out] for out in range(t)]
            errors = [
                labels[out] - inputs[out] @ fit(keep, penalty) for out, keep in enumerate(left)
            ]
            losses.append(np.square(errors).mean())
        best = grid[int(np.argmin(losses))]
        wanted.append(inputs[t] @ fit(list(range(t)), best))
    np.testing.assert_allclose(_cross_validated(x, y, t), wanted, rtol=1e-7, atol=1e-10)


def test_noise_is_drawn_for_every_prompt():
    study = made("ridge_tuning", prompts=2000, noise=(0.1, 2.0), positions=[2, 6])
    x, y, w, sigma = study._draw(stream(*NAMES))
    assert x.shape == (2000, 7, 5)
    assert sigma.min() >= 0.1
    assert sigma.max() <= 2.0
    uniform = np.log(sigma / 0.1) / np.log(20)
    assert kstest(uniform, "uniform").pvalue > 1e-3
    noise = (y - np.einsum("bti,bi->bt", x, w)) / sigma[:, None]
    assert kstest(noise.ravel(), "norm").pvalue > 1e-3
    same = made("ridge_tuning", prompts=3, noise=0.4)._draw(stream(*NAMES))[3]
    np.testing.assert_allclose(same, 0.4, rtol=1e-12)


@pytest.mark.parametrize("noise", [(2.0, 0.1), (0.0, 1.0)])
def test_a_range_of_noise_ascends_from_above_zero(noise):
    with pytest.raises(ValidationError, match="is no range; give two numbers, ascending, above 0"):
        made("ridge_tuning", noise=noise)


def test_seeds_are_other_problems_and_come_again_in_context():
    rows, again = (
        measured("hypergradient_in_context", seeds=2, depths=[1, 3], **SMALL) for _ in range(2)
    )
    pd.testing.assert_frame_equal(rows, again)
    one, other = (values(rows, "relative_error", "vanilla", seed=seed) for seed in range(2))
    assert (one != other).all()

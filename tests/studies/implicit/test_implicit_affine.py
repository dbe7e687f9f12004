"""Affine inner iterations: closed forms against loops, minima against their neighbourhoods."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from iclbench.studies.implicit.affine import Affine

LABELS = {"study": "implicit", "task": "affine", "scale": "smoke", "config": "c", "code": "d"}
SMALL = Affine(kind="implicit_affine", seeds=2, tasks=6, trained=(4, 9))


@pytest.fixture(scope="module")
def rows():
    return pd.concat(SMALL.measure(("0", "test"), LABELS), ignore_index=True)


@pytest.mark.parametrize("own", [False, True])
def test_iterates_of_ridge_regressions_are_those_of_gradient_descent(own):
    rng = np.random.default_rng(0)
    tasks = SMALL._tasks(rng, rng.normal(size=SMALL.dim), 5)
    theta = rng.normal(size=(SMALL.tasks, SMALL.dim) if own else SMALL.dim)
    errors = []
    for i, (inputs, labels) in enumerate(zip(tasks.inputs, tasks.labels, strict=True)):
        A, b = inputs[: SMALL.rows], labels[: SMALL.rows]
        centre = theta[i] if own else theta
        hessian = A.T @ A / SMALL.rows + SMALL.penalty * np.eye(SMALL.dim)
        z = centre
        for _ in range(7):
            slope = A.T @ (A @ z - b) / SMALL.rows + SMALL.penalty * (z - centre)
            z = z - 0.5 / np.linalg.eigvalsh(hessian)[-1] * slope
        errors.append(inputs[SMALL.rows :] @ z - labels[SMALL.rows :])
    assert tasks.loss(7, theta) == pytest.approx(np.mean(np.square(errors)), rel=1e-10)


@pytest.mark.parametrize("name", SMALL.problems)
def test_parameters_minimise_the_training_loss_where_they_are_trained(name):
    rng = np.random.default_rng(1)
    problem = SMALL._problem(rng, name)
    theta = problem.fit(6)
    least = problem.loss(6, theta)
    for _ in range(20):
        assert problem.loss(6, theta + 1e-3 * rng.normal(size=theta.shape)) >= least - 1e-12


def test_general_iterations_stay_in_the_range_that_the_theory_names(rows):
    """From any theta, z_n - z_0 is in the range of K^T: the least loss over theta is the same."""
    rng = np.random.default_rng(2)
    problem = SMALL._problem(rng, "general")
    least = [problem.loss(n, problem.fit(n)) for n in (1, 5, 50, 500)]
    np.testing.assert_allclose(least, least[0], rtol=1e-8)


def test_no_other_count_helps_where_there_are_parameters_enough(rows):
    enough = rows[rows["method"].isin(["own", "general"])]
    assert enough.loc[enough["metric"] == "relative_difference", "value"].min() >= -1e-10
    assert (enough.loc[enough["metric"] == "best_off", "value"] == 0).all()


def test_more_iterations_help_where_one_theta_serves_all(rows):
    shared = rows[(rows["method"] == "shared") & (rows["iterate"] == 200)]
    assert (shared.loc[shared["metric"] == "gain", "value"] < -0.5).all()


def test_own_parameters_must_be_more_than_rows():
    with pytest.raises(ValidationError, match="give fewer than 40 rows"):
        Affine(kind="implicit_affine", rows=40)


def test_differences_are_of_the_losses(rows):
    keys = ["method", "seed", "reference_iterate"]
    losses = rows[rows["metric"] == "train_loss"].set_index([*keys, "iterate"])["value"]
    differences = rows[rows["metric"] == "difference"].set_index([*keys, "iterate"])["value"]
    for key, difference in differences.items():
        at = losses[(*key[:3], key[2])]
        assert difference == pytest.approx(losses[key] - at, abs=1e-12)

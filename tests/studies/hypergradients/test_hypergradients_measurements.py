"""The measurements of hypergradients, against closed forms and differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from measured_hypergradients import NAMES, made, measured, values
from pydantic import ValidationError

from iclbench.studies.hypergradients.problems import draw, minimise

PAIRS = [("ridge", "affine"), ("ridge", "quadratic"), ("logistic", "logistic")]
RIDGE = {"data": "gaussian", "inner": "ridge", "outer": "affine", "log_penalties": (3.0, 6.0)}
LINE = {**RIDGE, "path": "line", "size": (20, 3), "exponents": [-4, -3, -2.5, -2, -1, 0.5]}


def hessian(problem, x, y) -> np.ndarray:
    return torch.func.jacrev(problem.gradient)(x, y).numpy()


@pytest.mark.parametrize(("inner", "outer"), PAIRS)
@pytest.mark.parametrize("penalties", [(-1.0, 1.0), (3.0, 6.0)])
def test_the_gradient_of_the_outer_loss_is_that_of_the_closed_loop(inner, outer, penalties):
    problem = draw("gaussian", inner, outer, penalties, NAMES, (20, 3))

    def loop(y: torch.Tensor) -> float:
        solution = minimise(problem.inner, torch.zeros_like(y), y)
        return float(problem.problem.outer(solution, y))

    units = 1e-4 * torch.eye(3, dtype=torch.float64)
    found = [(loop(problem.y + e) - loop(problem.y - e)) / 2e-4 for e in units]
    size = float(problem.hypergradient.norm())
    np.testing.assert_allclose(problem.hypergradient, found, rtol=1e-5, atol=1e-6 * size)


@pytest.mark.parametrize(("inner", "outer"), PAIRS)
@pytest.mark.parametrize("data", ["gaussian", "diabetes", "breast_cancer"])
def test_the_solution_is_a_root(data, inner, outer):
    if (data, inner) in (("diabetes", "logistic"), ("breast_cancer", "ridge")):
        data = "gaussian"
    problem = draw(data, inner, outer, (-1.0, 1.0), (*NAMES, 1))
    assert float(problem.problem.gradient(problem.solution, problem.y).norm()) < 1e-12
    assert float(problem.direction.norm()) == pytest.approx(1)


def test_what_is_held_out_is_not_fitted():
    problem = draw("breast_cancer", "logistic", "logistic", (-1.0, 1.0), NAMES)
    zero = torch.zeros(30, dtype=torch.float64)
    fitted = problem.problem.gradient(zero, problem.y)
    held = problem.problem.outer_gradients(zero, problem.y)[0]
    assert float((fitted - held).norm()) > 0.01 * float(held.norm())
    # The columns are standardised, so that both halves have nearly the same gradient.
    assert float((fitted - held).norm()) < 0.5 * float(held.norm())


def test_on_a_line_distances_and_errors_are_those_of_the_closed_form():
    rows = measured("hypergradient_errors", seeds=2, **LINE)
    aims = 10.0 ** np.array(LINE["exponents"])[::-1]
    for seed in range(2):
        np.testing.assert_allclose(values(rows, "distance", "inner", seed=seed), aims, rtol=1e-9)
        problem = draw("gaussian", "ridge", "affine", (3.0, 6.0), (*NAMES, seed), (20, 3))
        x, y = problem.solution, problem.y
        H = hessian(problem.problem, x, y)
        c = problem.problem.outer_gradients(x, y)[0].numpy()
        away = aims[:, None] * problem.direction.numpy()
        # Gamma - h' = - diag(exp(y)) (x - x*) H^-1 c / d, here at x and a diagonal step further.
        further = away - away @ H / np.diag(H)
        for method, off in {"vanilla": away, "preconditioned_diagonal": further}.items():
            wanted = np.linalg.norm(y.exp().numpy() * off * np.linalg.solve(H, c) / 3, axis=1)
            found = values(rows, "hypergradient_error", method, seed=seed)
            np.testing.assert_allclose(found, wanted, rtol=1e-6)
            constant = values(rows, "constant", method, seed=seed)
            np.testing.assert_allclose(constant, wanted[3] / aims[3], rtol=1e-6)
            slope = values(rows, "slope", method, along="reference_iterate", seed=seed)
            np.testing.assert_allclose(slope, 1, atol=1e-6)
        exact = ("preconditioned_newton", "reparameterised_ideal")
        for method in exact:
            assert values(rows, "largest_error", method, seed=seed) < 1e-12
            assert not len(values(rows, "slope", method, seed=seed))


@pytest.mark.parametrize(("inner", "outer"), PAIRS)
def test_newton_is_of_second_order_and_exact_if_the_inner_problem_is_quadratic(inner, outer):
    settings = LINE | {"inner": inner, "outer": outer, "log_penalties": (-1.0, 1.0)}
    settings |= {"exponents": [-3, -2.5, -2, -1.5, -1]}
    rows = measured("hypergradient_errors", seeds=2, **settings)
    newton, vanilla = (
        values(rows, "slope", name, along="reference_iterate")
        for name in ("preconditioned_newton", "vanilla")
    )
    np.testing.assert_allclose(vanilla, 1, atol=0.1)
    if inner == "logistic":
        np.testing.assert_allclose(newton, 2, atol=0.15)
    else:
        assert not len(newton)
    assert (rows.loc[rows["metric"] == "error_at_solution", "value"] < 1e-10).all()
    assert ("reparameterised_ideal" in set(rows["method"])) == (inner == "ridge")


@pytest.mark.parametrize(("inner", "outer"), [("ridge", "quadratic"), ("logistic", "logistic")])
def test_descent_comes_within_every_distance(inner, outer):
    settings = LINE | {"inner": inner, "outer": outer, "path": "descent"}
    rows = measured("hypergradient_errors", seeds=2, **settings)
    aims = 10.0 ** np.array(LINE["exponents"])[::-1]
    for seed in range(2):
        distances = values(rows, "distance", "inner", seed=seed)
        assert (distances <= aims).all()
        assert (np.diff(distances) <= 0).all()
        steps = values(rows, "steps", "inner", seed=seed)
        assert (np.diff(steps) >= 0).all()
        problem = draw("gaussian", inner, outer, (3.0, 6.0), (*NAMES, seed), (20, 3))
        start = float((problem.start - problem.solution).norm())
        assert (steps[aims < start] > 0).all()
    assert (rows["status"] == "ok").all()


def test_descent_that_is_cut_short_leaves_nulls_and_keeps_what_it_reached():
    settings = LINE | {"path": "descent", "log_penalties": (-1.0, 1.0)}
    whole = measured("hypergradient_errors", seeds=1, **settings)
    steps = values(whole, "steps", "inner")
    aims = 10.0 ** np.array(LINE["exponents"])[::-1]
    for cut in (int(steps[1]), int(steps[-2])):
        short = measured("hypergradient_errors", seeds=1, steps=cut, **settings)
        reached = steps <= cut
        assert not reached.all()
        for metric, method in (("distance", "inner"), ("hypergradient_error", "vanilla")):
            found = values(short, metric, method)
            np.testing.assert_array_equal(np.isfinite(found), reached)
            np.testing.assert_array_equal(found[reached], values(whole, metric, method)[reached])
        constant = values(short, "constant", "vanilla")
        assert np.isfinite(constant) == reached[aims > 0.002][-1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"outer": "logistic"}, "labels are signs"),
        ({"log_penalties": (6, 3)}, "the least is above the largest; swap them"),
        ({"exponents": [1, 0]}, "ascend"),
        ({"data": "iris"}, "gaussian"),
    ],
)
def test_errors_refuse_what_does_not_exist(changed, message):
    with pytest.raises(ValidationError, match=message):
        made("hypergradient_errors", **RIDGE | changed)


def test_seeds_are_other_problems_and_come_again():
    rows, again = (measured("hypergradient_errors", seeds=2, **LINE) for _ in range(2))
    pd.testing.assert_frame_equal(rows, again)
    one, other = (values(rows, "hypergradient_error", "vanilla", seed=seed) for seed in range(2))
    assert (one != other).all()

"""Estimators against derivatives taken otherwise: of closed forms, of differences, by a library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchopt.diff.implicit import custom_root
from torchopt.linear_solve import solve_inv

from iclbench.implicit import (
    ConjugateGradients,
    HypergradientError,
    NeumannSeries,
    Outcome,
    Problem,
    descend,
    diagonal,
    exponential,
    ideal,
    preconditioned,
    reparameterised,
    unrolled,
    vanilla,
)

N, D = 30, 5
RNG = np.random.default_rng(0)
A, B = (torch.from_numpy(RNG.normal(size=(N, D))) for _ in range(2))
a, b = (torch.from_numpy(RNG.normal(size=N)) for _ in range(2))
LABELS = torch.from_numpy(np.sign(RNG.normal(size=N)))
Y = torch.from_numpy(RNG.uniform(-1, 1, size=D))
AWAY = torch.from_numpy(RNG.normal(size=D))
SLOPE = torch.from_numpy(RNG.normal(size=D))


def penalty(x, y):
    return (y.exp() * x.square()).sum() / (2 * D)


def ridge(x, y):
    return (A @ x - a).square().sum() / (2 * N) + penalty(x, y)


def logistic(x, y):
    return torch.nn.functional.softplus(-LABELS * (A @ x)).mean() + penalty(x, y)


def quadratic(x, y):
    return (B @ x - b).square().sum() / (2 * N) + 0.1 * y.square().sum()


def affine(x, y):
    return SLOPE @ x + y.square().sum()


RIDGE, LOGISTIC = Problem.of(ridge, quadratic), Problem.of(logistic, quadratic)
RIDGE_AFFINE = Problem.of(ridge, affine)
PROBLEMS = {"ridge": RIDGE, "affine": RIDGE_AFFINE, "logistic": LOGISTIC}


def solution(problem, y):
    """By Newton's method from 0: one step where the inner objective is quadratic."""
    x = torch.zeros_like(y)
    for _ in range(12):
        hessian = torch.func.jacrev(problem.gradient)(x, y)
        x = x - torch.linalg.solve(hessian, problem.gradient(x, y))
    return x


def closed(problem, y):
    return problem.outer(solution(problem, y), y)


def exact(problem, y=Y):
    return torch.func.grad(lambda y: closed(problem, y))(y)


ESTIMATORS = {
    "vanilla": vanilla,
    "conjugate gradients": lambda p, x, y: vanilla(p, x, y, ConjugateGradients(1e-13)),
    "series": lambda p, x, y: vanilla(p, x, y, NeumannSeries(0.3, 2000, 1e-10)),
    "diagonal": lambda p, x, y: preconditioned(p, x, y, "diagonal"),
    "newton": lambda p, x, y: preconditioned(p, x, y, "newton"),
    "diagonal change": lambda p, x, y: reparameterised(p, x, y, diagonal(p, x, y)),
    "exponential change": lambda p, x, y: reparameterised(p, x, y, exponential(x)),
    "unrolled": lambda p, x, y: unrolled(p, x, y, 0.3, 1000),
}
IDEAL = {"ideal change": lambda p, x, y: reparameterised(p, x, y, ideal(p, x, y))}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_all_are_the_derivative_at_the_solution(problem):
    problem = PROBLEMS[problem]
    x = solution(problem, Y)
    for name, estimate in (ESTIMATORS | (IDEAL if problem is not LOGISTIC else {})).items():
        found = estimate(problem, x, Y)
        assert found.outcome is Outcome.SOLVED, name
        torch.testing.assert_close(found.checked(), exact(problem), rtol=1e-8, atol=1e-10)


def test_it_is_the_slope_of_finite_differences():
    found = vanilla(LOGISTIC, solution(LOGISTIC, Y), Y).value
    steps = 1e-5 * torch.eye(D, dtype=torch.float64)
    slopes = [(closed(LOGISTIC, Y + e) - closed(LOGISTIC, Y - e)) / 2e-5 for e in steps]
    torch.testing.assert_close(found, torch.stack(slopes), rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:We've integrated functorch:FutureWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
def test_it_is_that_of_another_library():
    x = solution(LOGISTIC, Y)
    other = custom_root(LOGISTIC.gradient, argnums=1, solve=solve_inv())(lambda x, y: x.detach())
    y = Y.clone().requires_grad_()
    LOGISTIC.outer(other(x.clone().requires_grad_(), y), y).backward()
    torch.testing.assert_close(vanilla(LOGISTIC, x, Y).value, y.grad, rtol=1e-10, atol=1e-12)


def errors(estimate, problem, distances=(1e-2, 1e-3)):
    x, truth = solution(problem, Y), exact(problem)
    direction = AWAY / AWAY.norm()
    found = [estimate(problem, x + h * direction, Y) for h in distances]
    return [float((each.checked() - truth).norm()) for each in found]


def order(estimate, problem):
    far, near = errors(estimate, problem)
    return np.log10(far / near)


@pytest.mark.parametrize("name", ["vanilla", "diagonal", "diagonal change", "exponential change"])
def test_most_errors_are_of_first_order(name):
    for problem in (RIDGE, LOGISTIC):
        assert order(ESTIMATORS[name], problem) == pytest.approx(1, abs=0.1)


def test_newtons_step_makes_the_error_of_second_order_and_nil_if_quadratic():
    assert order(ESTIMATORS["newton"], LOGISTIC) == pytest.approx(2, abs=0.1)
    assert max(errors(ESTIMATORS["newton"], RIDGE, (10.0, 0.1))) < 1e-12


def test_the_ideal_change_is_exact_for_an_affine_outer_loss_alone():
    assert max(errors(IDEAL["ideal change"], RIDGE_AFFINE, (10.0, 0.1))) < 1e-12
    assert order(IDEAL["ideal change"], RIDGE) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("change", ["diagonal", "exponential", "ideal"])
def test_a_change_of_variables_is_its_formula_by_jacobians(change):
    """J_x grad_x g + grad_y g, J_x = J_z (d_z phi)^T + (d_y phi)^T, J_z = -(d_y F)^T (d_z F)^-1."""
    x = solution(RIDGE, Y) + AWAY
    phi = {
        "diagonal": lambda: diagonal(RIDGE, x, Y),
        "exponential": lambda: exponential(x),
        "ideal": lambda: ideal(RIDGE, x, Y),
    }[change]()
    z = phi.inverse(x, Y)
    torch.testing.assert_close(phi.forward(z, Y), x)

    def inner(z, y):
        return torch.func.grad(lambda z: ridge(phi.forward(z, y), y))(z)

    jacobian = torch.func.jacrev
    in_z, in_y = (jacobian(inner, argnums=place)(z, Y) for place in (0, 1))
    phi_z, phi_y = (jacobian(phi.forward, argnums=place)(z, Y) for place in (0, 1))
    J = -in_y.mT @ torch.linalg.inv(in_z) @ phi_z.mT + phi_y.mT
    grad_x, grad_y = torch.func.grad(quadratic, argnums=(0, 1))(x, Y)
    found = reparameterised(RIDGE, x, Y, phi).value
    torch.testing.assert_close(found, J @ grad_x + grad_y, rtol=1e-9, atol=1e-11)


def test_unrolling_is_the_derivative_of_what_was_computed():
    def computed(y):
        x = AWAY
        for _ in range(7):
            x = x - 0.2 * torch.func.grad(logistic)(x, y)
        return quadratic(x, y)

    found = unrolled(LOGISTIC, AWAY, Y, 0.2, 7)
    torch.testing.assert_close(found.checked(), torch.func.grad(computed)(Y))


def test_stacked_problems_are_those_one_by_one():
    x = solution(LOGISTIC, Y) + torch.linspace(0, 1, 4)[:, None] * AWAY
    y = Y + torch.linspace(-1, 1, 4)[:, None]
    for name, estimate in ESTIMATORS.items():
        if name == "conjugate gradients":  # stops by itself, and so each for itself
            continue
        stacked = torch.func.vmap(lambda x, y, e=estimate: tuple(e(LOGISTIC, x, y)))(x, y)
        for i in range(4):
            for one, other in zip(estimate(LOGISTIC, x[i], y[i]), stacked, strict=True):
                torch.testing.assert_close(one, other[i], rtol=1e-9, atol=1e-12)


def test_the_roots_of_a_function_that_is_no_gradient():
    """x* = C^-1 y with C not symmetric."""
    C = torch.eye(D, dtype=torch.float64) * 4 + torch.from_numpy(RNG.normal(size=(D, D)))
    problem = Problem(lambda x, y: C @ x - y, quadratic)
    x = torch.linalg.solve(C, Y)
    truth = torch.func.grad(lambda y: quadratic(torch.linalg.solve(C, y), y))(Y)
    torch.testing.assert_close(vanilla(problem, x, Y).checked(), truth)
    newton = preconditioned(problem, x + AWAY, Y, "newton")
    torch.testing.assert_close(newton.checked(), truth)


def test_many_unknowns_need_no_matrix():
    """f = |x - P y|^2 / 2 + (u^T x)^2 / 2 in 200 000 dimensions, whose matrix would fill a disk."""
    rng = np.random.default_rng(3)
    d = 200_000
    u = torch.from_numpy(rng.normal(size=d) / d**0.5)
    P = torch.from_numpy(rng.normal(size=(d, 3)) / d**0.5)
    problem = Problem.of(
        lambda x, y: (x - P @ y).square().sum() / 2 + (u @ x).square() / 2,
        lambda x, _: (x - P @ SLOPE[:3]).square().sum() / 2,
    )

    def solved(v):  # (I + u u^T)^-1 v, by Sherman and Morrison
        return v - u * (u @ v) / (1 + u @ u)

    x = solved(P @ Y[:3])
    expected = P.mT @ solved(x - P @ SLOPE[:3])
    for solve in (ConjugateGradients(1e-12, 10), NeumannSeries(0.6, 60, 1e-9)):
        found = vanilla(problem, x, Y[:3], solve)
        assert found.outcome is Outcome.SOLVED
        torch.testing.assert_close(found.checked(), expected)


def test_an_inner_hessian_that_is_singular():
    """Two inputs are the same, and nothing is penalised."""
    inputs = torch.cat([A[:, :-1], A[:, :1]], dim=1)
    problem = Problem.of(lambda x, y: (inputs @ x - a - y.sum()).square().sum(), quadratic)
    for solve in ("vanilla", "diagonal", "newton", "diagonal change", "ideal change"):
        found = (ESTIMATORS | IDEAL)[solve](problem, AWAY, Y)
        assert found.outcome is Outcome.SINGULAR, solve
        assert found.value.isnan().all()
        with pytest.raises(HypergradientError, match=r"singular: .* Add a penalty"):
            found.checked()


def test_a_coordinate_that_the_inner_objective_does_not_see():
    problem = Problem.of(lambda x, y: (x[1:] - y[1:]).square().sum(), quadratic)
    for name, estimate in (ESTIMATORS | IDEAL).items():
        found = estimate(problem, AWAY, Y)
        if name in ("unrolled", "series"):  # which ask for no inverse, or only sum
            continue
        assert found.outcome is Outcome.SINGULAR, name
        assert found.value.isnan().all()


def test_a_derivative_that_is_not_finite():
    problem = Problem(lambda x, y: x - y.sqrt(), lambda x, _: x.sum())
    found = vanilla(problem, torch.tensor([0.0, 2.0]), torch.tensor([0.0, 4.0]))
    assert found.outcome is Outcome.NOT_FINITE
    assert found.value.isnan().all()


@pytest.mark.parametrize(("dtype", "steps"), [(torch.float64, 700), (torch.float32, 90)])
def test_a_descent_that_is_lost_before_it_overflows(dtype, steps):
    problem = Problem(lambda x, y: 3 * x + 0 * y, lambda x, _: x.sum())
    x = torch.ones(2, dtype=dtype)
    assert int(descend(problem, x, x, 1.0, steps).code) == Outcome.INNER_DIVERGED.code
    assert unrolled(problem, x, x, 1.0, steps).outcome is Outcome.INNER_DIVERGED


def test_an_inner_solver_that_diverges():
    diverged = descend(RIDGE, AWAY, Y, step=10.0, steps=20)
    assert Outcome.INNER_DIVERGED.code == int(diverged.code)
    assert unrolled(RIDGE, AWAY, Y, 10.0, 20).outcome is Outcome.INNER_DIVERGED
    lost = descend(RIDGE, AWAY, Y, step=10.0, steps=2000).x
    for name, estimate in ESTIMATORS.items():
        if name != "unrolled":
            found = estimate(RIDGE, lost, Y)
            assert found.outcome is Outcome.INNER_DIVERGED, name
            with pytest.raises(HypergradientError, match="smaller step"):
                found.checked()


def test_an_outer_loss_that_is_not_finite():
    problem = Problem.of(ridge, lambda x, y: (1e200 * x).square().sum() + y.sum())
    for name, estimate in ESTIMATORS.items():
        found = estimate(problem, solution(RIDGE, Y) + AWAY.abs(), Y)
        assert found.outcome is Outcome.OUTER_NOT_FINITE, name
        assert found.value.isnan().all()


def test_a_change_of_variables_that_does_not_reach_x():
    x = AWAY * torch.tensor([1, 1, 0, 1, 1])
    found = reparameterised(RIDGE, x, Y, exponential(x))
    assert found.outcome is Outcome.OUT_OF_RANGE
    assert found.value.isnan().all()


def test_a_rough_solution_of_the_system_says_how_rough():
    found = vanilla(RIDGE, solution(RIDGE, Y), Y, NeumannSeries(0.3, 5))
    assert found.outcome is Outcome.UNSOLVED
    assert 1e-6 < float(found.residual) < 1
    assert found.checked().isfinite().all()

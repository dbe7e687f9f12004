"""Linear solvers against direct solution and against libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import cg
from torchopt.linear_solve import solve_cg

from iclbench.implicit import ConjugateGradients, NeumannSeries, Outcome, dense


def outcome(solution):
    return tuple(Outcome)[int(solution.code)]


def spd(rng, n, condition):
    vectors = np.linalg.qr(rng.normal(size=(n, n)))[0]
    values = np.geomspace(1 / condition, 1, n)
    return torch.from_numpy(vectors * values @ vectors.T)


@given(st.integers(0, 2**16), st.integers(1, 12), st.sampled_from([1, 10, 1e4]))
def test_all_solve_what_is_symmetric_and_positive(seed, n, condition):
    rng = np.random.default_rng(seed)
    matrix, b = spd(rng, n, condition), torch.from_numpy(rng.normal(size=n))
    truth = torch.linalg.solve(matrix, b)
    solvers = [dense, ConjugateGradients(1e-12, 10 * n)]
    if condition <= 10:
        solvers.append(NeumannSeries(1.0, 400, 1e-9))
    for solve in solvers:
        found = solve(lambda v: matrix @ v, b)
        assert outcome(found) is Outcome.SOLVED
        assert (found.value - truth).norm() <= 1e-8 * condition * truth.norm()
        assert found.residual == pytest.approx(
            float((matrix @ found.value - b).norm() / b.norm()), abs=1e-12
        )


def test_conjugate_gradients_are_those_of_libraries():
    rng = np.random.default_rng(0)
    matrix, b = spd(rng, 200, 1e3), torch.from_numpy(rng.normal(size=200))
    found = ConjugateGradients(1e-10, 2000)(lambda v: matrix @ v, b)
    theirs = solve_cg(rtol=1e-10, maxiter=2000)(lambda v: matrix @ v, b)
    scipys, _ = cg(matrix.numpy(), b.numpy(), rtol=1e-10, maxiter=2000)
    for other in (theirs, torch.from_numpy(scipys)):
        assert (found.value - other).norm() < 1e-6 * other.norm()
    assert found.residual <= 2e-10


def test_neumanns_series_is_its_sum():
    rng = np.random.default_rng(1)
    matrix, b = spd(rng, 6, 50), torch.from_numpy(rng.normal(size=6))
    for terms in (1, 2, 7):
        powers = [
            torch.linalg.matrix_power(torch.eye(6, dtype=b.dtype) - 0.7 * matrix, k) @ b
            for k in range(terms)
        ]
        found = NeumannSeries(0.7, terms)(lambda v: matrix @ v, b)
        torch.testing.assert_close(found.value, 0.7 * sum(powers))
        assert outcome(found) is Outcome.UNSOLVED


def test_units_of_the_unknowns_do_not_matter():
    rng = np.random.default_rng(2)
    matrix, b = spd(rng, 6, 10), torch.from_numpy(rng.normal(size=6))
    units = torch.logspace(-12, 12, 6, dtype=torch.float64)
    found = dense(lambda v: units * (matrix @ (units * v)), b)
    assert outcome(found) is Outcome.SOLVED
    torch.testing.assert_close(found.value * units, torch.linalg.solve(matrix, b / units))


def test_unknowns_of_any_shape_and_a_matrix_that_is_not_symmetric():
    rng = np.random.default_rng(3)
    matrix, b = (torch.from_numpy(rng.normal(size=size)) for size in ((6, 6), (2, 3)))
    found = dense(lambda v: (matrix @ v.reshape(6)).reshape(2, 3), b)
    torch.testing.assert_close(found.value, torch.linalg.solve(matrix, b.reshape(6)).reshape(2, 3))


def test_nothing_to_solve_for():
    matrix = spd(np.random.default_rng(4), 3, 2)
    for solve in (dense, ConjugateGradients(), NeumannSeries(0.5, 3)):
        found = solve(lambda v: matrix @ v, torch.zeros(3, dtype=torch.float64))
        assert outcome(found) is Outcome.SOLVED
        assert not found.value.any()
        assert found.residual == 0


ONES = torch.ones(2, dtype=torch.float64)


@pytest.mark.parametrize(
    ("solve", "matrix", "expected"),
    [
        (dense, [[1, 1], [1, 1]], Outcome.SINGULAR),
        (dense, [[0, 0], [0, 0]], Outcome.SINGULAR),
        (dense, [[1, np.nan], [1, 1]], Outcome.INNER_DIVERGED),
        (ConjugateGradients(), [[1, 0], [0, -2]], Outcome.NOT_CONVEX),
        (ConjugateGradients(), [[0, 0], [0, 0]], Outcome.SINGULAR),
        (ConjugateGradients(steps=1), [[1, 0], [0, 2]], Outcome.UNSOLVED),
        (ConjugateGradients(), [[np.nan, 0], [0, 2]], Outcome.INNER_DIVERGED),
        (NeumannSeries(1.1, 50), [[1, 0], [0, 2]], Outcome.SYSTEM_DIVERGED),
        (NeumannSeries(0.5, 50), [[np.nan, 0], [0, 2]], Outcome.SYSTEM_DIVERGED),
    ],
)
def test_what_has_no_solution_says_why(solve, matrix, expected):
    matrix = torch.tensor(matrix, dtype=torch.float64)
    assert outcome(solve(lambda v: matrix @ v, ONES)) is expected

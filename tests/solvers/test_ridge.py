from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.kernel_ridge import KernelRidge
from iclbench.solvers.least_squares import LeastSquares
from iclbench.solvers.ridge import Ridge


def draw(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_it_minimises_the_penalised_squares_on_every_prefix():
    x, y = draw(0, 3, 12, 4), draw(1, 3, 12, 2)
    found = Ridge(kind="ridge", penalty=0.3).predict(x, y)[0]
    for t in range(12):
        # The penalty as pairs: sqrt(penalty) e_i with output 0.
        rows = torch.cat((x[:, :t], 0.3**0.5 * torch.eye(4).double().expand(3, 4, 4)), dim=1)
        targets = torch.cat((y[:, :t], torch.zeros(3, 4, 2).double()), dim=1)
        weights = torch.linalg.lstsq(rows, targets).solution
        torch.testing.assert_close(found[:, t], (x[:, t, None] @ weights)[:, 0])


@pytest.mark.parametrize("penalty", [1e-4, 0.01, 1.0])
def test_the_dual_form_predicts_the_same(penalty):
    x, y = draw(2, 4, 20, 6), draw(3, 4, 20, 2)
    dual = KernelRidge(kind="kernel_ridge", kernel=inner_product_kernel("linear"), penalty=penalty)
    primal = Ridge(kind="ridge", penalty=penalty)
    torch.testing.assert_close(primal.predict(x, y), dual.predict(x, y), rtol=0, atol=1e-10)


def test_it_tends_to_least_squares_and_to_zero():
    x, y = draw(4, 4, 20, 5), draw(5, 4, 20, 1)
    ols = LeastSquares(kind="least_squares").predict(x, y)
    gaps = [
        (Ridge(kind="ridge", penalty=penalty).predict(x, y) - ols).abs().max()
        for penalty in (1e-6, 1e-7)
    ]
    assert gaps[0] < 1e-2
    assert gaps[1] / gaps[0] == pytest.approx(0.1, rel=0.01)
    assert Ridge(kind="ridge", penalty=1e12).predict(x, y).abs().max() < 1e-9


def test_it_is_the_best_linear_predictor_under_its_noise():
    """With w ~ N(0, I) and noise of variance 1 no other penalty has a smaller mean error."""
    x, w = draw(6, 2000, 12, 4), draw(7, 2000, 4, 1)
    y = x @ w + draw(8, 2000, 12, 1)
    errors = [
        (Ridge(kind="ridge", penalty=penalty).predict(x, y) - x @ w).square().mean()
        for penalty in (0.5, 1.0, 2.0)
    ]
    assert errors[1] == min(errors)


def test_a_penalty_of_zero_is_refused():
    with pytest.raises(ValidationError, match="penalty"):
        Ridge(kind="ridge", penalty=0)

"""What holds of every regression method alike."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.stats import ortho_group

from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.bilevel import Bilevel
from iclbench.solvers.cross_validated_ridge import CrossValidatedRidge
from iclbench.solvers.kernel_ridge import KernelRidge
from iclbench.solvers.least_squares import LeastSquares
from iclbench.solvers.ridge import Ridge

METHODS = {
    "least squares": LeastSquares(kind="least_squares"),
    "ridge": Ridge(kind="ridge", penalty=0.1),
    "cross-validated ridge": CrossValidatedRidge(kind="cross_validated_ridge"),
    **{
        f"{name} {kind}": KernelRidge(
            kind="kernel_ridge", kernel=inner_product_kernel(kind, scale=0.5), penalty=penalty
        )
        for kind in ("linear", "relu", "exponential")
        for name, penalty in (("kernel ridge", 0.1), ("process", 0.0))
    },
    **{
        f"bilevel {kind}": Bilevel(
            kind="bilevel", kernel=inner_product_kernel(kind, scale=0.2), penalty=0.1, steps=6
        )
        for kind in ("linear", "exponential")
    },
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def prompts(seed, batch=2, time=9, p=4, q=2):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(batch, time, p)), rng.normal(size=(batch, time, q))
    return torch.from_numpy(x), torch.from_numpy(y)


@every_method
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**16), t=st.integers(0, 8))
def test_a_position_does_not_depend_on_its_output_nor_on_the_future(method, seed, t):
    x, y = prompts(seed)
    before = method.predict(x, y)
    x[:, t + 1 :], y[:, t:] = 1e3, -1e3
    torch.testing.assert_close(
        method.predict(x, y)[:, :, : t + 1], before[:, :, : t + 1], rtol=1e-9, atol=1e-9
    )


@every_method
def test_nothing_is_predicted_before_the_first_pair(method):
    x, y = prompts(0)
    predictions = method.predict(x, y)
    assert predictions.shape == (len(method.iterates), *y.shape)
    assert (predictions[:, :, 0] == 0).all()


@every_method
def test_rotations_of_the_inputs_change_nothing_and_those_of_the_outputs_carry_over(method):
    x, y = prompts(1)
    U = torch.from_numpy(ortho_group.rvs(4, random_state=np.random.default_rng(1)))
    V = torch.from_numpy(ortho_group.rvs(2, random_state=np.random.default_rng(2)))
    torch.testing.assert_close(
        method.predict(x @ U, y @ V), method.predict(x, y) @ V, rtol=1e-7, atol=1e-7
    )


@every_method
def test_single_precision_only_rounds_the_result(method):
    x, y = (tensor.float() for tensor in prompts(2))
    single, double = method.predict(x, y), method.predict(x.double(), y.double())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=1e-6)


@every_method
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 2, 1, 1), (1, 7, 1, 3), (3, 6, 2, 1)])
@pytest.mark.parametrize("fill", ["random", "zero inputs", "zero outputs", "one input"])
def test_degenerate_prompts_give_numbers(method, shape, fill):
    x, y = prompts(3, *shape)
    match fill:
        case "zero inputs":
            x = torch.zeros_like(x)
        case "zero outputs":
            y = torch.zeros_like(y)
        case "one input":
            x = torch.ones_like(x)
    assert method.predict(x, y).isfinite().all()


@every_method
def test_prompts_are_independent(method):
    x, y = prompts(4, batch=3)
    alone = method.predict(x[1:2], y[1:2])
    torch.testing.assert_close(method.predict(x, y)[:, 1:2], alone, rtol=1e-9, atol=1e-9)

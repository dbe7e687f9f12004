from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from iclbench.attention.kernels import Kernel
from iclbench.solvers.bilevel import Bilevel, Outcome
from iclbench.solvers.held_out import HeldOut
from iclbench.solvers.ridge import Ridge


def draw(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def solver(kind, penalty=1.0, steps=20, scale=1.0):
    return Bilevel(
        kind="bilevel", kernel=Kernel(kind=kind, scale=scale), penalty=penalty, steps=steps
    )


def noisy_linear(seed, batch, length, d=5, noise=1.0):
    x = draw(seed, batch, length, d)
    clean = x @ draw(seed + 1, batch, d, 1)
    return x, clean, clean + noise * draw(seed + 2, batch, length, 1)


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_the_held_out_loss_never_rises(kind):
    x, _, y = noisy_linear(0, 8, 20)
    loss = solver(kind, scale=0.2).tune(x, y).loss
    assert (loss.diff(dim=0) <= 0).all()
    assert loss[-1].mean() < 0.9 * loss[0].mean()


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_the_tuned_penalty_is_the_best_of_a_grid(penalty):
    x, _, y = noisy_linear(3, 16, 31)
    tuning = solver("linear", penalty).tune(x, y)
    held_out = HeldOut(Kernel(kind="linear"), x, y)
    grid = torch.stack(
        [
            held_out.evaluate(torch.tensor([step, 0.0]).double().expand(16, 31, 2)).loss
            for step in torch.linspace(log(penalty / 1e4), log(penalty * 1e4), 200).tolist()
        ]
    )
    # The others rest in a local minimum.
    excess = (tuning.loss[-1] / grid.min(dim=0).values)[:, 10:]
    assert (excess < 1.01).double().mean() > 0.95


def test_a_wrong_scale_of_the_kernel_is_mended():
    """On a Gaussian process of scale 2, from a scale ten times too small or too large."""
    x = torch.nn.functional.normalize(draw(6, 48, 40, 3), dim=-1)
    K = Kernel(kind="exponential", scale=2.0).gram(x, x) + 1e-6 * torch.eye(40)
    y = torch.linalg.cholesky(K) @ draw(7, 48, 40, 1) + 0.1 * draw(8, 48, 40, 1)
    for scale in (0.2, 20.0):
        errors = (solver("exponential", 0.1, scale=scale).predict(x, y) - y)[:, :, 20:].square()
        assert errors[-1].mean() < 0.8 * errors[0].mean()
        tuned = (
            scale * solver("exponential", 0.1, scale=scale).tune(x, y).log_scale[-1, :, 30:].exp()
        )
        assert 0.5 < tuned.median() < 8


@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_at_moderate_context_it_is_close_to_the_oracle_penalty(penalty):
    x, _, y = noisy_linear(9, 96, 41)
    ridge = Ridge(kind="ridge", penalty=1.0).predict(x, y)
    oracle = (ridge - y)[..., 30:, :].square().mean()
    errors = (solver("linear", penalty).predict(x, y) - y)[:, :, 30:].square().mean((1, 2, 3))
    assert errors[-1] < 1.05 * oracle


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_each_iterate_is_a_fit_of_all_pairs_with_its_hyperparameters(kind):
    x, _, y = noisy_linear(12, 3, 9)
    method = solver(kind, steps=4, scale=0.2)
    tuning = method.tune(x, y)
    predictions = method.predict(x, y)
    for k, b, t in np.ndindex(5, 3, 9):
        factor = tuning.log_scale[k, b, t].exp().item()
        kernel = Kernel(kind=kind, scale=0.2 * factor)
        K = kernel.gram(x[b, :t], x[b, :t]) + tuning.log_penalty[k, b, t].exp() * torch.eye(t)
        expected = kernel.gram(x[b, t, None], x[b, :t]) @ torch.linalg.solve(K, y[b, :t])
        torch.testing.assert_close(predictions[k, b, t], expected[0], rtol=1e-7, atol=1e-7)


def test_the_first_iterate_of_the_linear_kernel_is_ridge():
    x, _, y = noisy_linear(15, 4, 12)
    ridge = Ridge(kind="ridge", penalty=0.3).predict(x, y)
    torch.testing.assert_close(solver("linear", 0.3, steps=0).predict(x, y), ridge)


def outcomes(method, x, y):
    return {tuple(Outcome)[code] for code in method.tune(x, y).outcome[:, 2:].unique()}


def test_every_way_to_end_has_its_name():
    x, _, y = noisy_linear(18, 4, 30)
    assert (solver("linear").tune(x, y).outcome[:, :2] == Outcome.TOO_SHORT.code).all()
    assert Outcome.FINISHED in outcomes(solver("linear"), x, y)
    assert Outcome.UNFINISHED in outcomes(solver("linear", steps=1), x, y)
    noise_free = x @ draw(21, 4, 5, 1)
    late = solver("linear").tune(x, noise_free).outcome[:, 15:]
    assert (late == Outcome.AT_BOUND.code).all()


def test_a_singular_inner_problem_is_named():
    x, y = torch.ones(1, 8, 1, dtype=torch.float64), draw(22, 1, 8, 1)
    method = solver("linear", penalty=1e-250)
    assert (method.tune(x, y).outcome[:, 4:] == Outcome.SINGULAR.code).all()


def test_a_kernel_that_overflows_is_named_and_spoils_no_other_prompt():
    x, _, y = noisy_linear(24, 2, 8)
    method = solver("exponential", scale=0.2)
    whole = method.predict(x, y)
    x[0] *= 1e3
    tuning = method.tune(x, y)
    assert (tuning.outcome[0, 2:] == Outcome.NOT_FINITE.code).all()
    assert tuning.log_penalty.isfinite().all()
    torch.testing.assert_close(method.predict(x, y)[:, 1], whole[:, 1], rtol=0, atol=0)


def test_an_indefinite_kernel_is_refused():
    with pytest.raises(ValidationError, match="'relu' is indefinite"):
        solver("relu")

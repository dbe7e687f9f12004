from __future__ import annotations

from itertools import pairwise, product
from math import log

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.bilevel import Bilevel, Outcome
from iclbench.solvers.held_out import HeldOut
from iclbench.solvers.kernel_ridge import KernelRidge
from iclbench.solvers.ridge import Ridge


def draw(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def solver(kind, penalty=1.0, steps=20, scale=1.0):
    return Bilevel(
        kind="bilevel", kernel=inner_product_kernel(kind, scale=scale), penalty=penalty, steps=steps
    )


def noisy_linear(seed, batch, length, d=5, noise=1.0):
    x = draw(seed, batch, length, d)
    clean = x @ draw(seed + 1, batch, d, 1)
    return x, clean, clean + noise * draw(seed + 2, batch, length, 1)


def hyperparameters(tuning):
    return torch.stack((tuning.log_penalty, tuning.log_scale), dim=-1)


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_the_objective_never_rises_and_the_held_out_loss_ends_lower(kind):
    x, _, y = noisy_linear(0, 8, 20)
    method = solver(kind, scale=0.2)
    tuning = method.tune(x, y)
    assert (tuning.objective.diff(dim=0) <= 0).all()
    held_out = HeldOut(method.kernel, x, y)
    start, end = (held_out.evaluate(h).loss for h in hyperparameters(tuning)[[0, -1]])
    assert (end <= start)[tuning.outcome != Outcome.TOO_SHORT.code].all()
    assert end.mean() < 0.9 * start.mean()


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_the_objective_is_the_profiled_likelihood_with_the_prior(kind):
    x, _, y = noisy_linear(30, 2, 12)
    tuning = solver(kind, 0.5, scale=0.2).tune(x, y)
    h = hyperparameters(tuning)
    held_out = HeldOut(inner_product_kernel(kind, scale=0.2), x, y)
    loss = torch.stack([held_out.evaluate(each).loss for each in h])
    free = (held_out.count - (1 if kind == "linear" else 2)).clamp_min(0)
    prior = (h[..., 0] - log(0.5)) ** 2 / log(10) ** 2 + h[..., 1] ** 2 / log(2) ** 2
    expected = (free * loss.clamp_min(1e-300).log() + prior) / 2
    torch.testing.assert_close(tuning.objective, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_the_tuned_penalty_is_the_best_of_a_grid(penalty):
    x, _, y = noisy_linear(3, 16, 31)
    tuning = solver("linear", penalty).tune(x, y)
    held_out = HeldOut(inner_product_kernel("linear"), x, y)
    free = (held_out.count - 1).clamp_min(0)

    def objective(step):
        h = torch.tensor([step, 0.0]).double().expand(16, 31, 2)
        loss = held_out.evaluate(h).loss.clamp_min(1e-300)
        return (free * loss.log() + (step - log(penalty)) ** 2 / log(10) ** 2) / 2

    steps = torch.linspace(log(penalty / 1e4), log(penalty * 1e4), 200).tolist()
    best = torch.stack([objective(step) for step in steps]).min(dim=0).values
    # The others rest in a local minimum, between the loss and the prior.
    assert (tuning.objective[-1] < best + 0.01)[:, 10:].double().mean() > 0.9


def test_a_wrong_scale_of_the_kernel_is_mended():
    """On a Gaussian process of scale 2, from a scale four times too small or too large."""
    x = torch.nn.functional.normalize(draw(6, 48, 40, 3), dim=-1)
    K = inner_product_kernel("exponential", scale=2.0).gram(x, x) + 1e-6 * torch.eye(40)
    y = torch.linalg.cholesky(K) @ draw(7, 48, 40, 1) + 0.1 * draw(8, 48, 40, 1)
    for scale in (0.5, 8.0):
        errors = (solver("exponential", 0.1, scale=scale).predict(x, y) - y)[:, :, 20:].square()
        assert errors[-1].mean() < 0.8 * errors[0].mean()
        tuned = (
            scale * solver("exponential", 0.1, scale=scale).tune(x, y).log_scale[-1, :, 30:].exp()
        )
        assert 0.75 < tuned.median() < 4


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
    assert method.iterates == (0, 1, 2, 4)
    for (i, k), b, t in product(enumerate(method.iterates), range(3), range(9)):
        factor = tuning.log_scale[k, b, t].exp().item()
        kernel = inner_product_kernel(kind, scale=0.2 * factor)
        K = kernel.gram(x[b, :t], x[b, :t]) + tuning.log_penalty[k, b, t].exp() * torch.eye(t)
        expected = kernel.gram(x[b, t, None], x[b, :t]) @ torch.linalg.solve(K, y[b, :t])
        torch.testing.assert_close(predictions[i, b, t], expected[0], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", ["linear", "exponential"])
@pytest.mark.parametrize("first", [1, 5, 11])
def test_later_prefixes_alone_are_tuned_as_among_all(kind, first):
    x, _, y = noisy_linear(24, 4, 12)
    method = solver(kind, scale=0.2)
    every, late = method.tune(x, y), method.tune(x, y, first=first)
    for field, wanted in zip(late, every, strict=True):
        torch.testing.assert_close(field, wanted[..., first:], rtol=1e-5, atol=1e-5)


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
    x, _, y = noisy_linear(24, 2, 12)
    method = solver("exponential", scale=0.2)
    whole = method.predict(x, y)
    x[0] *= 1e3
    tuning = method.tune(x, y)
    assert (tuning.outcome[0, 7:] == Outcome.NOT_FINITE.code).all()
    assert tuning.log_penalty.isfinite().all()
    torch.testing.assert_close(method.predict(x, y)[:, 1], whole[:, 1], rtol=0, atol=0)


@pytest.mark.parametrize("steps", [0, 1, 4, 5, 20, 1000])
def test_the_reported_iterates_ascend_from_the_first_to_the_last(steps):
    iterates = solver("linear", steps=steps).iterates
    assert iterates[0] == 0 and iterates[-1] == steps
    assert all(earlier < later for earlier, later in pairwise(iterates))


@pytest.mark.parametrize("penalty", [1e-250, 1e-17, 1e-13, 1e-2])
@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_inputs_that_repeat_are_recalled_without_noise(kind, penalty):
    """A cycle of four points, in steps of the map that takes each to the next."""
    points = torch.nn.functional.normalize(draw(26, 4, 4, 5), dim=-1)
    s = points.repeat(1, 6, 1)
    predictions = solver(kind, penalty).predict(s[:, :-1], s[:, 1:])
    assert predictions.isfinite().all()
    torch.testing.assert_close(predictions[-1, :, 8:], s[:, 9:], rtol=0, atol=1e-4)


def test_repeated_inputs_are_passed_over_as_in_kernel_ridge():
    x = draw(27, 3, 4, 6).repeat(1, 3, 1) / 2
    y = draw(28, 3, 12, 2)
    for kind in ("linear", "exponential"):
        kernel = inner_product_kernel(kind)
        ridge = KernelRidge(kind="kernel_ridge", kernel=kernel, penalty=1e-30).predict(x, y)
        torch.testing.assert_close(solver(kind, 1e-30, steps=0).predict(x, y), ridge)


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_few_pairs_leave_the_initial_values(kind):
    x, _, y = noisy_linear(31, 4, 6)
    tuning = solver(kind, 0.3).tune(x, y)
    few = 4 if kind == "exponential" else 3
    assert (tuning.outcome[:, :few] == Outcome.TOO_SHORT.code).all()
    assert (tuning.log_penalty[-1, :, :few] == log(0.3)).all()
    assert (tuning.log_scale[-1, :, :few] == 0).all()


def test_tuning_costs_little_where_the_kernel_is_the_covariance():
    """At every length, on Gaussian processes with ellipsoidal inputs and no noise."""
    spread = torch.tensor([1.0, 1.0, 0.5, 1.5, 1.0], dtype=torch.float64)
    x = torch.nn.functional.normalize(draw(32, 64, 15, 5), dim=-1) * spread
    kernel = inner_product_kernel("exponential")
    K = kernel.gram(x, x) + 1e-9 * torch.eye(15)
    y = torch.linalg.cholesky(K) @ draw(33, 64, 15, 1)
    ridge = KernelRidge(kind="kernel_ridge", kernel=kernel, penalty=0.01).predict(x, y)[-1]
    tuned = solver("exponential", 0.01).predict(x, y)[-1]
    excess = (tuned - y).square().mean((0, 2)) / (ridge - y).square().mean((0, 2))
    assert excess.mean() < 1.1
    assert excess.max() < 1.5


def test_an_indefinite_kernel_is_refused():
    with pytest.raises(ValidationError, match="'relu' is indefinite"):
        solver("relu")

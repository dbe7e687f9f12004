from __future__ import annotations

import numpy as np
import pytest
import torch

from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers.held_out import HeldOut


def draw(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def problem(kind, outputs=2):
    x, y = draw(0, 3, 9, 4) / 2, draw(1, 3, 9, outputs)
    h = torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, size=(3, 9, 2)))
    return HeldOut(inner_product_kernel(kind, scale=0.7), x, y), x, y, h


def naive_loss(kernel, x, y, h, t):
    """Of one prefix of one prompt, through a dense solve that can be differentiated."""
    golden = (1 + np.sqrt(5)) / 2
    fitted = [s for s in range(t) if s / golden % 1 < 0.5]
    held = [s for s in range(t) if s not in fitted]
    factor = 1.0 if kernel.kind == "linear" else h[1].exp()

    def gram(rows, columns):
        base = kernel.gram(x[rows], x[columns])
        return base**factor

    K = gram(fitted, fitted) + h[0].exp() * torch.eye(len(fitted), dtype=x.dtype)
    alpha = torch.linalg.solve(K, y[fitted])
    return (gram(held, fitted) @ alpha - y[held]).square().mean()


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_loss_and_hypergradient_are_those_through_a_dense_solve(kind):
    held_out, x, y, h = problem(kind)
    found = held_out.evaluate(h)
    for b, t in np.ndindex(3, 9):
        if t < 2:
            assert found.loss[b, t] == 0
            assert (found.gradient[b, t] == 0).all()
            continue

        def loss(h, b=b, t=t):
            return naive_loss(held_out.kernel, x[b], y[b], h, t)

        gradient, value = torch.func.grad_and_value(loss)(h[b, t])
        torch.testing.assert_close(found.loss[b, t], value, rtol=1e-10, atol=0)
        torch.testing.assert_close(found.gradient[b, t], gradient, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("period", range(1, 9))
def test_every_phase_of_a_period_is_fitted_and_held_out_alike(period):
    phase = (torch.arange(400) % period + 1.0).double()[None, :, None]
    held_out = HeldOut(inner_product_kernel("linear"), phase, phase, first=399)
    fitted, held = (
        y.long().flatten().bincount(minlength=period + 1)[1:] for y in (held_out.y, held_out.y_held)
    )
    assert (fitted - held).abs().max() <= 8


def test_later_prefixes_can_be_posed_alone():
    held_out, x, y, h = problem("exponential")
    later = HeldOut(held_out.kernel, x, y, first=4).evaluate(h[:, 4:])
    for part, whole in zip(later, held_out.evaluate(h), strict=True):
        torch.testing.assert_close(part, whole[:, 4:])


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_the_hypergradient_is_the_slope_of_finite_differences(kind):
    held_out, _, _, h = problem(kind)
    gradient = held_out.evaluate(h).gradient
    for i, step in enumerate(1e-5 * torch.eye(2, dtype=torch.float64)):
        rise = held_out.evaluate(h + step).loss - held_out.evaluate(h - step).loss
        torch.testing.assert_close(gradient[..., i], rise / 2e-5, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_the_hypergradient_is_the_derivative_through_gradient_descent(kind):
    held_out, _, _, h = problem(kind)
    h = (h + torch.tensor([1.0, -1.0])) / 2

    def descend(h):
        alpha = torch.zeros_like(held_out.y.expand(3, 9, -1, -1))
        for _ in range(300):
            alpha = alpha - 0.1 * held_out.inner_gradient(alpha, h)
        return held_out.losses(alpha, h).sum()

    through = torch.func.grad(descend)(h)
    torch.testing.assert_close(held_out.evaluate(h).gradient, through, rtol=1e-6, atol=1e-9)

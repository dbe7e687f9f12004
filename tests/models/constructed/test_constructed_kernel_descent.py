from __future__ import annotations

import pytest
import torch

from iclbench.kernels.named import inner_product_kernel
from iclbench.models.constructed.causal_kernel_descent import CausalKernelDescent


def sphere(batch, time, p, seed=0):
    rng = torch.Generator().manual_seed(seed)
    points = torch.randn(batch, time, p, generator=rng, dtype=torch.float64)
    return points / points.norm(dim=-1, keepdim=True)


def sequences(batch=3, time=12, p=4, seed=0):
    """x_{t+1} = Omega x_t on the sphere, one rotation a sequence; outputs are the next states."""
    rng = torch.Generator().manual_seed(seed)
    Omega, _ = torch.linalg.qr(torch.randn(batch, p, p, generator=rng, dtype=torch.float64))
    states = [sphere(batch, 1, p, seed).squeeze(1)]
    for _ in range(time):
        states.append((Omega @ states[-1].unsqueeze(-1)).squeeze(-1))
    states = torch.stack(states, dim=1)
    return states[:, :-1], states[:, 1:]


def ckd(kind, depths, scale=1.0, **rest):
    return CausalKernelDescent(
        kind="causal_kernel_descent",
        attention={"kind": kind, "scale": scale},
        depths=depths,
        **rest,
    )


def similarity(kind, scale, queries, keys):
    """a(x_t, x_s) on causal windows of pairs, from the definition."""
    if kind == "softmax":
        return torch.exp(scale * queries @ keys.mT)
    return inner_product_kernel(kind, scale=scale).gram(queries, keys)


def recursion(kind, scale, x, y, eta, layers):
    """R <- (I - eta L) R and U <- U + eta K R on the pairs (x_s, y_s) of one prompt."""
    K = similarity(kind, scale, x, x)
    among, ahead = K.tril(), K.tril(-1)
    if kind == "softmax":
        among = among / among.sum(-1, keepdim=True)
        ahead = ahead / ahead.sum(-1, keepdim=True).clamp_min(1e-300)
    R, U = y.clone(), torch.zeros_like(y)
    for _ in range(layers):
        U = U + eta * ahead @ R
        R = R - eta * among @ R
    return U


@pytest.mark.parametrize("pairs", ["sequences", "regression"])
@pytest.mark.parametrize(("kind", "eta"), [("linear", 0.7), ("exponential", 0.2), ("softmax", 1.0)])
def test_layers_are_the_recursion(kind, eta, pairs):
    x, y = (
        sequences() if pairs == "sequences" else (sphere(3, 12, 4), torch.randn(3, 12, 2).double())
    )
    depths = (1, 2, 3, 4, 8)
    predicted = ckd(kind, depths, scale=1.5, step=eta).predict(x, y)
    for b in range(3):
        for k, depth in enumerate(depths):
            expected = recursion(kind, 1.5, x[b], y[b], eta, depth)
            assert (predicted[k, b] - expected).abs().max() < 1e-12 * (1 + expected.abs().max())


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_the_limit_of_depth_is_one_kaczmarz_pass(kind):
    x, y = sequences(time=9)
    kernel = inner_product_kernel(kind)
    step = 1 / kernel.diagonal(x[0, :1]).item()
    limit = ckd(kind, (60,), step=step).predict(x, y)[0]
    for b in range(3):
        c = torch.zeros(0, 4, dtype=torch.float64)
        for t in range(9):
            row = kernel.gram(x[b, t : t + 1], x[b, :t])
            assert (limit[b, t] - row @ c).abs().max() < 1e-10
            c = torch.cat((c, step * (y[b, t : t + 1] - row @ c)))


def test_as_many_layers_as_tokens_are_exact_with_the_nilpotent_step():
    x, y = sequences(time=40, p=5)
    L = (x @ x.mT).tril()
    limit = (x @ x.mT).tril(-1) @ torch.linalg.solve(L, y)
    shallow, deep = ckd("linear", (10, 40), step=1.0).predict(x, y)
    for n in (5, 10):
        exact = ckd("linear", (n,), step=1.0).predict(x, y)[0]
        assert (exact[:, : n + 1] - limit[:, : n + 1]).abs().max() < 1e-10
    assert (deep - limit).abs().max() < 1e-10
    assert (shallow[:, 20:] - limit[:, 20:]).abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["linear", "exponential"])
def test_steps_below_the_threshold_converge_and_above_it_diverge(kind):
    x, y = sequences(time=4)
    kappa = inner_product_kernel(kind).diagonal(x[0, :1]).item()
    converges = ckd(kind, (300, 400), step=1.9 / kappa).predict(x, y)
    diverges = ckd(kind, (300, 400), step=2.1 / kappa).predict(x, y)
    assert converges.diff(dim=0).abs().max() < 1e-6
    assert diverges[1].abs().max() > 1e6


def test_a_relative_step_is_the_absolute_one_on_the_unit_sphere():
    x, y = sequences()
    absolute, relative = (
        ckd("linear", (1, 3), step=0.4, relative=relative).predict(x, y)
        for relative in (False, True)
    )
    torch.testing.assert_close(absolute, relative, rtol=1e-12, atol=1e-12)
    kappa = inner_product_kernel("exponential", scale=2.0).diagonal(x[0, :1]).item()
    absolute = ckd("exponential", (1, 3), scale=2.0, step=0.4 / kappa).predict(x, y)
    relative = ckd("exponential", (1, 3), scale=2.0, step=0.4, relative=True).predict(x, y)
    torch.testing.assert_close(absolute, relative, rtol=1e-12, atol=1e-12)


def test_a_relative_step_reaches_the_kaczmarz_pass_for_inputs_of_any_norm():
    x = torch.randn(2, 15, 4, dtype=torch.float64) * 3
    y = torch.randn(2, 15, 1, dtype=torch.float64)
    limit = ckd("linear", (15,), step=1.0, relative=True).predict(x, y)[0]
    W = torch.zeros(2, 4, 1, dtype=torch.float64)
    for t in range(15):
        xt = x[:, t].unsqueeze(-1)
        assert (limit[:, t] - (xt.mT @ W).squeeze(1)).abs().max() < 1e-8
        residual = y[:, t].unsqueeze(-1) - xt.mT @ W
        W = W + xt @ residual / xt.square().sum(1, keepdim=True)


def test_only_an_absolute_exponential_step_asks_for_the_unit_sphere():
    assert ckd("exponential", (1,)).needs == {"unit-norm inputs"}
    assert ckd("exponential", (1,), relative=True).needs == frozenset()
    assert ckd("linear", (1,)).needs == frozenset()
    assert ckd("softmax", (1,)).needs == frozenset()

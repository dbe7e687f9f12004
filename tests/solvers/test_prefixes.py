from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iclbench.attention.exponential import Exponential
from iclbench.attention.softmax import Softmax
from iclbench.kernels.named import inner_product_kernel
from iclbench.solvers import prefix_attention, prefix_spectrum
from iclbench.solvers.bfgs import BFGS
from iclbench.solvers.causal_kernel_descent import CausalKernelDescent
from iclbench.solvers.conjugate_gradient import ConjugateGradient
from iclbench.solvers.gradient_descent import GradientDescent
from iclbench.solvers.kaczmarz import Kaczmarz
from iclbench.solvers.newton import Newton
from iclbench.solvers.prefix_attention import causal_product, depth_limit
from iclbench.solvers.prefix_spectrum import approach, eigenbases, spectrum
from iclbench.solvers.prefixes import before, eigen, moments, reciprocal

sizes = st.integers(1, 6)


def descent(attention, **options):
    return CausalKernelDescent(kind="causal_kernel_descent", attention=attention, **options)


def pairs(seed: int, batch: int, time: int, p: int, q: int):
    rng = np.random.default_rng(seed)
    return (torch.from_numpy(rng.standard_normal((batch, time, n))) for n in (p, q))


@settings(deadline=None, max_examples=20)
@given(sizes, sizes, sizes, sizes)
def test_moments_are_sums_over_the_pairs_before(batch: int, time: int, p: int, q: int) -> None:
    x, y = pairs(batch, batch, time, p, q)
    S, b = moments(x, y)
    for t in range(time):
        torch.testing.assert_close(S[:, t], x[:, :t].mT @ x[:, :t], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(b[:, t], x[:, :t].mT @ y[:, :t], rtol=1e-12, atol=1e-12)


def test_sums_hold_no_trace_of_the_present() -> None:
    terms = torch.tensor([[1.0, 1e300, 1.0, 1.0]], dtype=torch.float64)
    assert before(terms).tolist() == [[0.0, 1.0, 1e300, 1e300]]


def test_eigenvalues_of_a_singular_matrix_are_zero() -> None:
    x, y = pairs(0, 20, 30, 6, 1)
    values, vectors = eigen(moments(x, y)[0])
    rank = torch.arange(30).clamp_max(6).expand(20, -1)
    assert torch.equal((values > 0).sum(-1), rank)
    rebuilt = vectors @ (values.unsqueeze(-1) * vectors.mT)
    torch.testing.assert_close(rebuilt, moments(x, y)[0], rtol=1e-12, atol=1e-12)


def test_repeated_inputs_add_no_rank() -> None:
    x, y = pairs(1, 50, 2, 3, 1)
    x, y = x.repeat(1, 40, 1), y.repeat(1, 40, 1)
    assert ((eigen(moments(x, y)[0])[0] > 0).sum(-1)[:, 2:] == 2).all()


def test_a_matrix_that_is_not_finite_harms_no_other() -> None:
    S = torch.eye(3).double().repeat(2, 1, 1)
    S[0, 1, 1] = torch.inf
    values, _ = eigen(S)
    assert values[0].isnan().all()
    assert torch.equal(values[1], torch.ones(3).double())


def test_reciprocal_of_zero_is_zero() -> None:
    assert reciprocal(torch.tensor([0.0, 4.0])).tolist() == [0.0, 0.25]


def test_spectrum_solves_the_normal_equations() -> None:
    x, y = pairs(2, 5, 12, 4, 2)
    values, query, target = spectrum(eigenbases(x), x, y)
    predicted = torch.einsum("btp,btpq->btq", query * reciprocal(values), target)
    for t in range(1, 12):
        w = torch.linalg.pinv(x[:, :t]) @ y[:, :t]
        torch.testing.assert_close(predicted[:, t], (x[:, t, None] @ w)[:, 0], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "solver",
    [
        Newton(kind="newton"),
        GradientDescent(kind="gradient_descent", start="uniform"),
        BFGS(kind="bfgs", line_search="wolfe"),
        ConjugateGradient(kind="conjugate_gradient"),
    ],
)
def test_shared_bases_and_chunks_change_no_prediction(solver, dtype, monkeypatch) -> None:
    x, y = (part.to(dtype) for part in pairs(2, 5, 12, 4, 2))
    whole = solver.predict(x, y)
    assert torch.equal(solver.predict_in(eigenbases(x), x, y), whole)
    monkeypatch.setattr(prefix_spectrum, "BUDGET", 2 * 12 * 16)
    torch.testing.assert_close(solver.predict(x, y), whole, rtol=1e-6, atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.floats(1e-12, 2.5), st.integers(0, 40))
def test_approach_is_the_geometric_sum(u: float, n: int) -> None:
    # 1 - (1 - u)^n = u sum_{j<n} (1 - u)^j, which cancels nowhere for u < 1.
    expected = u * sum((1 - u) ** j for j in range(n))
    one = torch.ones(1, 1, 1, 1).double()
    found = approach(one, u * one[..., 0], [n]).item()
    assert abs(found - expected) <= 1e-12 * max(abs(expected), u, (u - 1) ** n if u > 1 else 0)


def test_overflow_stays_with_those_who_see_it() -> None:
    weights = torch.ones(1, 4, 4).double().tril()
    weights[0, 3, 1] = 0
    values = torch.tensor([1.0, torch.inf, 2.0, 3.0]).double().reshape(1, 4, 1)
    found = causal_product(weights, values).flatten()
    assert found[[0, 3]].tolist() == [1.0, 6.0]
    assert found[[1, 2]].isnan().all()


def test_depth_limit_ignores_pairs_without_weight() -> None:
    L = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]]).double()
    y = torch.tensor([[[2.0], [5.0], [4.0]]]).double()
    assert depth_limit(L, y)[0, [0, 2]].flatten().tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    "method",
    [
        Kaczmarz(kind="kaczmarz"),
        Kaczmarz(kind="kaczmarz", kernel=inner_product_kernel("exponential")),
        descent(Softmax(kind="softmax"), depths="limit"),
        descent(Softmax(kind="softmax"), depths=(0,)),
        descent(Softmax(kind="softmax"), depths=(0, 1, 3, 20)),
        descent(Exponential(kind="exponential"), depths=(1, 2, 50), relative=True),
    ],
    ids=str,
)
def test_blocks_of_positions_change_nothing(method, monkeypatch) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 23, 3, generator=generator, dtype=torch.double)
    y = torch.randn(2, 23, 2, generator=generator, dtype=torch.double)
    whole = method.predict(x, y)
    for block in (1, 5, 22):
        monkeypatch.setattr(prefix_attention, "BLOCK", block)
        torch.testing.assert_close(method.predict(x, y), whole)

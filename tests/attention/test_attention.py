from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

from iclbench.attention.attention import Attention
from iclbench.attention.delta import Delta
from iclbench.attention.exponential import Exponential
from iclbench.attention.gated_linear import GatedLinear
from iclbench.attention.linear import Linear
from iclbench.attention.mesa import Mesa
from iclbench.attention.positional import attend_with_positions
from iclbench.attention.relu import Relu
from iclbench.attention.softmax import Softmax
from iclbench.attention.weighted import Weighted
from iclbench.kernels.named import inner_product_kernel

WEIGHTED: list[Weighted] = [
    Linear(kind="linear", scale="inverse_sqrt"),
    Exponential(kind="exponential", scale=0.5),
    Relu(kind="relu"),
    Softmax(kind="softmax", scale=0.7),
]
RECURRENT: list[Attention] = [
    Delta(kind="delta"),
    GatedLinear(kind="gated_linear"),
    Mesa(kind="mesa", ridge=0.1),
]
ALL = WEIGHTED + RECURRENT
ROUNDING = torch.finfo(torch.bfloat16).eps


def case(attention, *shape, width=3, value=2, seed=0, dtype=torch.float64):
    """Random queries, keys of norm about 1, values, and gates where the kind has them."""
    rng = torch.Generator().manual_seed(seed)

    def normal(last):
        return torch.randn(*shape, last, generator=rng, dtype=dtype)

    gates = normal(attention.gates).sigmoid() if attention.gates else None
    return normal(width), normal(width) / width**0.5, normal(value), gates


def close(left, right, tolerance=1e-12):
    torch.testing.assert_close(left, right, rtol=tolerance, atol=tolerance)


every_kind = pytest.mark.parametrize("attention", ALL, ids=lambda a: a.kind)
every_weighted = pytest.mark.parametrize("attention", WEIGHTED, ids=lambda a: a.kind)
both_diagonals = pytest.mark.parametrize("diagonal", [True, False])


@every_kind
@both_diagonals
@settings(deadline=None, max_examples=8)
@given(time=st.integers(1, 60), cut=st.integers(0, 59), seed=st.integers(0, 99))
def test_the_future_changes_nothing(attention, diagonal, time, cut, seed):
    cut = min(cut, time - 1)
    query, key, value, gates = case(attention, 2, time, seed=seed)
    before = attention.attend(query, key, value, gates, diagonal=diagonal)
    first = cut + 1 if diagonal else cut
    for part in (key, value, gates):
        if part is not None:
            part[:, first:] = 0.3 * torch.rand_like(part[:, first:])
    query[:, cut + 1 :] += 1
    after = attention.attend(query, key, value, gates, diagonal=diagonal)
    close(before[:, : cut + 1], after[:, : cut + 1])


@every_kind
def test_the_diagonal_is_all_that_the_first_position_sees(attention):
    query, key, value, gates = case(attention, 2, 3, 1)
    assert (attention.attend(query, key, value, gates, diagonal=False) == 0).all()
    own = attention.attend(key, key, value, gates)
    assert own.shape == (2, 3, 1, 2)
    assert (own * value > 0).all()


@every_kind
@both_diagonals
def test_batches_and_heads_are_independent(attention, diagonal):
    query, key, value, gates = case(attention, 3, 2, 7)
    together = attention.attend(query, key, value, gates, diagonal=diagonal)
    for i in range(3):
        for j in range(2):
            own = None if gates is None else gates[i, j]
            alone = attention.attend(query[i, j], key[i, j], value[i, j], own, diagonal=diagonal)
            close(together[i, j], alone)


@every_kind
def test_vmap_equals_a_loop(attention):
    query, key, value, gates = case(attention, 3, 2, 6)

    def loss(query, key, value, gates=None):
        return attention.attend(query, key, value, gates, diagonal=False).square().sum()

    parts = (query, key, value) if gates is None else (query, key, value, gates)
    derivative = torch.func.grad(loss, argnums=(0, 1, 2))
    with sdpa_kernel(SDPBackend.MATH):
        mapped = torch.func.vmap(derivative)(*parts)
    looped = [derivative(*element) for element in zip(*parts, strict=True)]
    for one, many in zip(mapped, zip(*looped, strict=True), strict=True):
        close(one, torch.stack(many))


@every_kind
@both_diagonals
def test_gradients(attention, diagonal):
    query, key, value, gates = (
        None if part is None else part.requires_grad_() for part in case(attention, 1, 4)
    )
    assert torch.autograd.gradcheck(
        lambda *parts: attention.attend(*parts, diagonal=diagonal), (query, key, value, gates)
    )


@every_kind
def test_single_precision(attention):
    query, key, value, gates = case(attention, 2, 20)
    double = attention.attend(query, key, value, gates)
    single = attention.attend(
        query.float(), key.float(), value.float(), None if gates is None else gates.float()
    )
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)


@every_kind
def test_too_many_gates_are_refused(attention):
    query, key, value, _ = case(attention, 1, 4)
    with pytest.raises(ValueError, match=f"{attention.kind} attention takes"):
        attention.attend(query, key, value, torch.ones(1, 4, attention.gates + 1))


@every_weighted
@both_diagonals
def test_outputs_are_weighted_sums_of_values(attention, diagonal):
    for time in (1, 9, 70):
        query, key, value, _ = case(attention, 2, time)
        weights = attention.weights(query, key, 0 if diagonal else -1)
        close(weights @ value, attention.attend(query, key, value, diagonal=diagonal))


@every_weighted
def test_weights_are_invariant_under_rotations(attention):
    query, key, _, _ = case(attention, 2, 6)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    close(attention.weights(query @ rotation, key @ rotation, 0), attention.weights(query, key, 0))


@every_weighted
def test_keys_that_are_not_seen_do_not_count(attention):
    query, key, value, _ = case(attention, 2, 6)
    mask = torch.tensor([True, False, True, True, False, False]).expand(6, 6)
    seen = [0, 2, 3]
    close(
        attention.weights(query, key, mask) @ value,
        attention.weights(query, key[:, seen], None) @ value[:, seen],
    )


@every_weighted
@pytest.mark.parametrize("last", [0, 2, -1])
def test_a_triangle_hides_what_marks_hide(attention, last):
    query, key, _, _ = (
        part if part is None else part.requires_grad_() for part in case(attention, 2, 6)
    )
    marks = torch.ones(6, 6, dtype=torch.bool).tril(last)
    triangle, marked = (attention.weights(query, key, mask) for mask in (last, marks))
    assert torch.equal(triangle, marked)
    probe = torch.randn_like(triangle)
    for one, other in zip(
        torch.autograd.grad((triangle * probe).sum(), (query, key)),
        torch.autograd.grad((marked * probe).sum(), (query, key)),
        strict=True,
    ):
        close(one, other)


@every_weighted
@pytest.mark.parametrize(
    "mask", [0, torch.ones(5, 5, dtype=torch.bool).tril()], ids=["int", "bool"]
)
def test_hidden_scores_that_overflow_stay_hidden(attention, mask):
    query, key, _, _ = case(attention, 5, dtype=torch.float32)
    key[3:] = 3e38
    weights = attention.weights(query, key, mask)
    rest = attention.weights(query[:3], key[:3], 0)
    assert torch.equal(weights[:3, 3:], torch.zeros(3, 2))
    close(weights[:3, :3], rest, 1e-6)


@every_weighted
def test_rows_that_see_nothing_are_zero_forward_and_backward(attention):
    query, key, _, _ = (
        part if part is None else part.requires_grad_() for part in case(attention, 4)
    )
    weights = attention.weights(query, key, -1)
    assert (weights[0] == 0).all()
    gradients = torch.autograd.grad(weights.square().sum(), (query, key))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("kind", [Linear, Relu, Exponential], ids=lambda kind: kind.__name__)
def test_weights_are_the_kernel_of_that_name(kind):
    attention = kind(kind=kind.__name__.lower(), scale=0.4)
    query, key, _, _ = case(attention, 2, 5)
    gram = inner_product_kernel(attention.kind, scale=0.4).gram(query, key)
    close(attention.weights(query, key, 0), gram.tril())


def test_softmax_in_bfloat16_is_that_of_exact_numbers_rounded():
    attention = Softmax(kind="softmax", scale="inverse_sqrt")
    rounded = [part.bfloat16().requires_grad_() for part in case(attention, 2, 3, 20)[:3]]
    exact = [part.detach().double().requires_grad_() for part in rounded]
    found, wanted = attention.attend(*rounded), attention.attend(*exact)
    query, key, value = rounded
    assert torch.equal(found, attention.weights(query, key, 0) @ value)  # not the fused kernel
    close(found.double(), wanted, ROUNDING)
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), rounded),
        torch.autograd.grad(wanted.square().sum(), exact),
        strict=True,
    ):
        close(one.double(), other, 2 * ROUNDING)


def test_softmax_weights_sum_to_one():
    attention = Softmax(kind="softmax", scale=30.0)
    query, key, _, _ = case(attention, 2, 8)
    weights = attention.weights(query, key, 0)
    close(weights.sum(-1), torch.ones(2, 8, dtype=torch.float64))
    assert (weights >= 0).all()


@pytest.mark.parametrize("time", [1, 31, 32, 33, 64, 100])
def test_linear_attention_by_chunks_equals_all_pairs(time):
    attention = Linear(kind="linear", scale=0.3)
    parts = [part.requires_grad_() for part in case(attention, 2, time)[:3]]
    by_chunks = attention.attend_by_chunks(*parts)
    all_pairs = Weighted._attend(attention, *parts, None)
    close(by_chunks, all_pairs)
    probe = torch.randn_like(by_chunks)
    for one, other in zip(
        torch.autograd.grad((by_chunks * probe).sum(), parts),
        torch.autograd.grad((all_pairs * probe).sum(), parts),
        strict=True,
    ):
        close(one, other)


def test_delta_on_unit_keys_is_one_kaczmarz_pass():
    attention = Delta(kind="delta")
    query, key, value, _ = case(attention, 12)
    key = key / key.norm(dim=-1, keepdim=True)
    W = torch.zeros(2, 3, dtype=torch.float64)
    for t in range(12):
        close(attention.attend(query, key, value, diagonal=False)[t], W @ query[t])
        W = W + torch.outer(value[t] - W @ key[t], key[t])
        close(attention.attend(query, key, value)[t], W @ query[t])
        close(W @ key[t], value[t])


def test_delta_follows_its_recursion_with_steps():
    attention = Delta(kind="delta")
    query, key, value, beta = case(attention, 15)
    S = torch.zeros(2, 3, dtype=torch.float64)
    for t, out in enumerate(attention.attend(query, key, value, beta)):
        S = S + beta[t] * torch.outer(value[t] - S @ key[t], key[t])
        close(out, S @ query[t])


def test_gated_linear_follows_its_recursion():
    attention = GatedLinear(kind="gated_linear")
    query, key, value, alpha = case(attention, 15)
    alpha[4] = 0
    S = torch.zeros(2, 3, dtype=torch.float64)
    for t, out in enumerate(attention.attend(query, key, value, alpha)):
        S = alpha[t] * S + torch.outer(value[t], key[t])
        close(out, S @ query[t])


def test_gated_linear_that_forgets_nothing_is_linear():
    attention = GatedLinear(kind="gated_linear")
    query, key, value, _ = case(attention, 2, 15)
    linear = Linear(kind="linear").attend(query, key, value)
    close(attention.attend(query, key, value), linear)
    close(attention.attend(query, key, value, torch.ones_like(key[..., :1])), linear)


def test_forgetting_almost_all_does_not_blur_what_comes_later():
    attention = GatedLinear(kind="gated_linear")
    query, key, value, _ = case(attention, 40, dtype=torch.float32)
    alpha = torch.full((40, 1), 0.9)
    alpha[:20] = 1e-30
    since = slice(19, None)
    torch.testing.assert_close(
        attention.attend(query, key, value, alpha)[since],
        attention.attend(query[since], key[since], value[since], alpha[since]),
    )


@pytest.mark.parametrize("ridge", [1.0, 1e-2, 1e-5])
def test_mesa_is_ridge_regression_on_every_prefix(ridge):
    attention = Mesa(kind="mesa", ridge=ridge)
    query, key, value, _ = case(attention, 25)
    out = attention.attend(query, key, value, diagonal=False)
    for t in range(25):
        K, V = key[:t], value[:t]
        weights = torch.linalg.solve(K.T @ K + ridge * torch.eye(3, dtype=torch.float64), K.T @ V)
        close(out[t], query[t] @ weights, 1e-10)


def test_mesa_is_nan_only_where_it_cannot_be_computed():
    attention = Mesa(kind="mesa", ridge=1e-8)
    query, key, value, _ = case(attention, 12, dtype=torch.float32)
    key[0], key[1] = 1e3, 1e3
    out = attention.attend(query, key, value).isnan().any(-1)
    assert out[0]
    assert not out[5:].any()


def test_positions_multiply_token_scores():
    attention = Linear(kind="linear")
    query, key, value, _ = case(attention, 2, 5)
    position_query, position_key, _, _ = case(attention, 5, seed=1)
    out = attend_with_positions(query, key, position_query, position_key, value)
    for b in range(2):
        for t in range(5):
            near = (position_query[t] @ position_key[: t + 1].T / 3**0.5).softmax(-1)
            token = query[b, t] @ key[b, : t + 1].T / 3**0.5
            close(out[b, t], (near * token) @ value[b, : t + 1])


def test_delta_with_unit_keys_is_delta_on_normalised_keys():
    query, key, value, beta = case(Delta(kind="delta"), 15)
    close(
        Delta(kind="delta", unit_keys=True).attend(query, 100 * key, value, beta),
        Delta(kind="delta").attend(query, key / key.norm(dim=-1, keepdim=True), value, beta),
    )

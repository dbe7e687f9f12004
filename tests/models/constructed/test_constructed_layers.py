"""Constructions hold blocks of tokens apart; here whole tokens pass through matrices."""

from __future__ import annotations

import pytest
import torch

from iclbench.attention.relu import Relu
from iclbench.models.constructed.causal_kernel_descent import (
    BLIND,
    CausalKernelDescent,
    descent_heads,
    descent_tokens,
)
from iclbench.models.constructed.functional_gd import FunctionalGD
from iclbench.models.constructed.layers import Head, attend_causally, attend_where, blocks
from iclbench.models.constructed.newton import Newton
from iclbench.registry import find

P, Q, TIME = 4, 2, 9
KINDS = ["linear", "exponential", "softmax"]


def prompts(batch=3):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(batch, TIME, P, generator=rng, dtype=torch.float64)
    return x, torch.randn(batch, TIME, Q, generator=rng, dtype=torch.float64)


def prefix(x, y, t):
    """The inputs and labels of a prefix with its query, and which tokens are its context."""
    labels = torch.cat((y[:, :t], torch.zeros_like(y[:, :1])), dim=1)
    mask = (torch.arange(t + 1) < t).expand(len(x), 1, -1)
    return x[:, : t + 1], labels, mask


@pytest.mark.parametrize("kind", [*KINDS, "relu"])
def test_functional_gd_is_attention_on_whole_tokens(kind):
    x, y = prompts()
    attention = find("attention", kind)(kind=kind, scale=0.3)
    model = FunctionalGD(
        kind="functional_gd", heads=({"attention": attention},), step=0.1, depths=(1, 2, 3, 4)
    )
    predicted = model.predict(x, y)
    for t in range(TIME):
        inputs, labels, mask = prefix(x, y, t)
        tokens = torch.cat((inputs, labels), dim=-1)
        read = blocks(tokens, x=P, y=Q)
        head = Head(attention, read["x"], read["x"], read["y"], -0.1 * read["y"].mT)
        for layer in range(4):
            tokens = attend_where(tokens, [head], mask)
            expected = -tokens[:, -1] @ read["y"].mT
            torch.testing.assert_close(predicted[layer, :, t], expected, rtol=1e-12, atol=1e-12)


def test_newton_is_relu_attention_and_an_mlp_on_whole_tokens():
    x, y = prompts()
    predicted = Newton(kind="newton", depths=(1, 2, 3, 4)).predict(x, y)
    relu = Relu(kind="relu")

    def signed(query, key, value, output):
        return [Head(relu, sign * query, key, sign * value, output) for sign in (1, -1)]

    for t in range(1, TIME):
        inputs, labels, mask = prefix(x, y, t)
        blank, answer = torch.zeros_like(inputs), torch.zeros_like(labels)
        tokens = torch.cat((blank, inputs, labels, answer), dim=-1)
        read = blocks(tokens, moved=P, x=P, y=Q, answer=Q)
        moved, see = read["moved"], read["x"]
        S = inputs[:, :t].mT @ inputs[:, :t]
        alpha = 2 / torch.linalg.matrix_norm(S @ S)[:, None, None]
        tokens = attend_where(tokens, signed(alpha * see, see, see, moved.mT), mask)
        doubling = torch.cat((moved, -moved))
        for layer in range(4):
            tokens = attend_where(tokens, signed(-see / 2, moved, moved, moved.mT), mask)
            tokens = tokens + (tokens @ doubling.mT).relu() @ doubling
            readout = signed(see, moved, read["y"], read["answer"].mT)
            expected = attend_where(tokens, readout, mask)[:, -1, -Q:]
            torch.testing.assert_close(predicted[layer, :, t], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_causal_kernel_descent_attends_anew_in_every_layer(kind):
    x, y = prompts()
    attention = find("attention", kind)(kind=kind, scale=0.3)
    model = CausalKernelDescent(
        kind="causal_kernel_descent", attention=attention, step=0.2, depths=(1, 2, 3, 4)
    )
    predicted = model.predict(x, y)
    heads = descent_heads(attention, 0.2, P, Q, x)
    tokens = descent_tokens(attention, x, y, BLIND)
    for layer in range(4):
        tokens = attend_causally(tokens, heads, torch.ones_like(x[..., :1]))
        torch.testing.assert_close(predicted[layer], tokens[..., -Q:], rtol=1e-10, atol=1e-10)

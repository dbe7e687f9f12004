"""Transformers of attention alone."""

import math

import torch
from small_models import B, P, T, attention_only, built, prompt


def test_shared_weights_are_one_layer_at_every_depth():
    shared, separate = built(attention_only(layers=3, share=True)), built(attention_only(layers=3))
    state = shared.state_dict()
    assert sum(name.startswith("blocks") for name in state) * 3 == sum(
        name.startswith("blocks") for name in separate.state_dict()
    )
    copies = {
        name: state[f"blocks.0.{name.split('.', 2)[2]}" if name.startswith("blocks") else name]
        for name in separate.state_dict()
    }
    separate.load_state_dict(copies)
    assert torch.equal(shared(*prompt()), separate(*prompt()))


def test_without_residual_a_layer_forgets_its_input():
    network = built(attention_only(residual=False, layer_norm=False, layout="plain"))
    torch.nn.init.zeros_(network.blocks[0].mix.weight)
    torch.nn.init.zeros_(network.blocks[0].mix.bias)
    expected = network.readout.bias.expand(1, B, T, P)
    torch.testing.assert_close(network(*prompt()), expected)


def test_one_linear_layer_can_take_a_step_of_gradient_descent():
    network = built(attention_only(bias=False, layer_norm=False, attention={"kind": "linear"}))
    block, eta = network.blocks[0], 0.3

    def first_of(source):
        """The map whose first third is a third of the token: 1 is s_t, 2 is s_{t-1}."""
        matrix = torch.zeros(3 * P, 3 * P)
        matrix[:P, source * P : (source + 1) * P] = torch.eye(P)
        return matrix

    with torch.no_grad():
        block.query.weight.copy_(first_of(1))
        block.key.weight.copy_(first_of(2))
        block.value.weight.copy_(first_of(1))
        block.mix.weight.copy_(eta * torch.eye(3 * P))
        network.readout.weight.copy_(first_of(0)[:P])
    states, outputs = prompt()
    W = torch.zeros(B, P, P, dtype=torch.double)
    for t in range(T):
        if t > 0:
            W = W + eta * states[:, t, :, None] * states[:, t - 1, None, :]
        expected = torch.einsum("bij,bj->bi", W, states[:, t])
        torch.testing.assert_close(network(states, outputs)[0, :, t], expected)


def test_positional_weights_multiply_the_linear_ones():
    model = attention_only(layout="plain", heads=2, positional=True, residual=False)
    network = built(model)
    block, positions = network.blocks[0], network.positions
    inputs, outputs = prompt()

    def head(linear, x, h):
        part = slice(h * P, (h + 1) * P)
        return x @ linear.weight[0, part].mT + linear.bias[0, part]

    for b in range(B):
        for t in range(T):
            total = torch.zeros(P, dtype=torch.double)
            for h in range(2):
                q, k, v = (
                    head(f, inputs[b, : t + 1], h) for f in (block.query, block.key, block.value)
                )
                qp, kp = (head(f, positions[0, : t + 1], h) for f in (block.query, block.key))
                weights = (k @ q[t]) / math.sqrt(P) * torch.softmax(kp @ qp[t] / math.sqrt(P), 0)
                total = total + weights @ v
            expected = network.readout(block.norm(block.mix(total[None, None])))[0, 0]
            torch.testing.assert_close(network(inputs, outputs)[0, b, t], expected)

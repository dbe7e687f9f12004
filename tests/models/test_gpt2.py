"""Transformers of the GPT-2 kind."""

import math

import pytest
import torch
from small_models import ATTENTION, P, T, built, gpt2, prompt


@pytest.mark.parametrize("kind", ATTENTION)
def test_inner_depths_of_gpt2_do_not_depend_on_later_layers(kind):
    network = built(gpt2(layers=3, attention={"kind": kind}), 1)
    before = network(*prompt(1))
    torch.nn.init.normal_(network.blocks[2].mix.weight)
    after = network(*prompt(1))
    assert torch.equal(after[:2], before[:2])
    assert not torch.allclose(after[2], before[2])


def test_gpt2_agrees_with_one_written_down_by_hand():
    settings = gpt2(width=8, heads=2, layers=2)
    network = built(settings, 1)
    for parameter in network.parameters():  # biases and norms are trivial at the start
        torch.nn.init.normal_(parameter, std=0.5)
    w = {name: parameter[0] for name, parameter in network.named_parameters()}
    inputs, outputs = prompt(1)

    def linear(name, x):
        return w[f"{name}.weight"] @ x + w[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean()
        unit = centred / (centred.square().mean() + 1e-5).sqrt()
        return unit * w[f"{name}.weight"] + w[f"{name}.bias"]

    def gelu(x):
        return x / 2 * (1 + torch.erf(x / math.sqrt(2)))

    def predictions(x, y):
        tokens = []
        for t in range(T):
            tokens += [x[t], torch.cat([y[t], torch.zeros(P - 1)])]
        stream = [
            linear("read_in", token) + w["positions"][i] for i, token in enumerate(tokens[:-1])
        ]
        found = []
        for layer in range(2):
            block = f"blocks.{layer}."
            normed = [norm(f"{block}attention_norm", h) for h in stream]
            q, k, v = (
                [linear(block + part, h) for h in normed] for part in ("query", "key", "value")
            )
            for i in range(len(stream)):
                heads = []
                for head in (slice(0, 4), slice(4, 8)):
                    scores = torch.stack([q[i][head] @ k[j][head] / 2 for j in range(i + 1)])
                    weights = scores.exp() / scores.exp().sum()
                    heads.append(sum(weights[j] * v[j][head] for j in range(i + 1)))
                stream[i] = stream[i] + linear(f"{block}mix", torch.cat(heads))
            for i, h in enumerate(stream):
                hidden = gelu(linear(f"{block}expand", norm(f"{block}mlp_norm", h)))
                stream[i] = h + linear(f"{block}contract", hidden)
            last = layer == 1
            found.append(
                torch.stack(
                    [
                        linear("readout", norm("norm", h)) if last else linear("probes.0", h)
                        for h in stream[::2]
                    ]
                )
            )
        return torch.stack(found)

    expected = torch.stack([predictions(x, y) for x, y in zip(inputs, outputs, strict=True)], 1)
    torch.testing.assert_close(network(inputs, outputs), expected)


def test_gpt2_starts_as_gpt2_does():
    torch.manual_seed(0)
    network = gpt2(width=64, layers=4).build(P, 1, T)
    block = network.blocks[0]
    assert block.query.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.contract.weight.std().item() == pytest.approx(0.02 / math.sqrt(8), rel=0.05)
    assert network.positions.std().item() == pytest.approx(0.02, rel=0.1)
    assert not block.expand.bias.any()

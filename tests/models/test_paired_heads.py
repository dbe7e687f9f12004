"""Heads of different attention, value matrices without A, and prompts read at the end alone."""

from __future__ import annotations

import pytest
import torch
from one_seed import one_seed
from pydantic import ValidationError

from iclbench.models.paired import Paired

P, T = 4, 6
CONTEXTS = ["causal", "prefix"]


def built(q=1, **options):
    torch.manual_seed(0)
    model = Paired.model_validate({"kind": "paired", "layers": 2, "init_std": 0.25, **options})
    return one_seed(model.build(P, q, T)).double()


def prompt(q=1):
    rng = torch.Generator().manual_seed(1)
    inputs = torch.randn(3, T, P, generator=rng, dtype=torch.float64) / 2
    return inputs, torch.randn(3, T, q, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("value", ["block", "labels", "dense"])
@pytest.mark.parametrize("kind", ["linear", "relu", "exponential", "softmax"])
def test_a_list_of_equal_heads_is_one_attention_for_all(kind, value, context):
    options = {"heads": 2, "value": value, "context": context}
    one = built(2, attention={"kind": kind}, **options)
    other = built(2, attention=[{"kind": kind}] * 2, **options)
    torch.testing.assert_close(one(*prompt(2)), other(*prompt(2)))


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_head_that_writes_nothing_is_none(context):
    """With its value matrices zero, the second head leaves a network of the first alone."""
    both = built(attention=[{"kind": "linear"}, {"kind": "exponential"}], heads=2, context=context)
    alone = built(attention={"kind": "linear"}, context=context)
    with torch.no_grad():
        for name, wide in both.named_parameters():
            if "value" in name:
                wide[:, 1] = 0
            alone.get_parameter(name)[:, 0] = wide[:, 0]
    torch.testing.assert_close(both(*prompt()), alone(*prompt()))


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_order_of_heads_does_not_matter(context):
    kinds = [{"kind": "relu"}, {"kind": "softmax"}]
    one = built(attention=kinds, heads=2, context=context)
    other = built(attention=kinds[::-1], heads=2, context=context)
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            parameter.copy_(one.get_parameter(name).flip(1))
    torch.testing.assert_close(one(*prompt()), other(*prompt()))


@pytest.mark.parametrize("context", CONTEXTS)
def test_values_of_labels_alone_are_block_values_with_zeros(context):
    sparse = built(2, value="labels", heads=2, context=context)
    block = built(2, value="block", heads=2, context=context)
    assert not any("value_inputs" in name for name, _ in sparse.named_parameters())
    with torch.no_grad():
        for name, parameter in block.named_parameters():
            zero = "value_inputs" in name
            parameter.copy_(torch.zeros_like(parameter) if zero else sparse.get_parameter(name))
    torch.testing.assert_close(sparse(*prompt(2)), block(*prompt(2)))


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("value", ["block", "labels", "dense"])
def test_the_last_position_alone_is_the_last_of_all(value, context):
    network = built(2, value=value, context=context, attention={"kind": "softmax"})
    torch.testing.assert_close(
        network(*prompt(2), last=True), network(*prompt(2))[:, :, -1:], rtol=1e-12, atol=1e-12
    )


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(ValidationError, match="lists 2 heads, but heads is 1"):
        built(attention=[{"kind": "linear"}, {"kind": "relu"}])
    with pytest.raises(ValidationError, match="delta attention has a state"):
        built(attention=[{"kind": "delta"}])
    with pytest.raises(ValidationError, match="softmax attention is a mean already"):
        built(attention=[{"kind": "linear"}, {"kind": "softmax"}], heads=2, mean=True)
    with pytest.raises(ValidationError, match="reads its keys in order"):
        built(attention={"kind": "delta"}, context="prefix")

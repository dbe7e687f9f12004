"""What holds for every transformer."""

import pytest
import torch
from pydantic import ValidationError
from small_models import (
    ATTENTION,
    POINTWISE,
    B,
    P,
    T,
    attention_only,
    built,
    complex_attention,
    gpt2,
    kernel_descent,
    name,
    paired,
    prompt,
)

from iclbench.models.attention_only import AttentionOnly
from iclbench.registry import find


def every_model():
    for kind in ATTENTION:
        attention = {"kind": kind}
        for layout in ("augmented", "plain"):
            yield attention_only(attention=attention, layout=layout, heads=2, layers=2), P
        for value, q in (("block", 2), ("dense", 1)):
            yield paired(attention=attention, value=value, heads=2, layers=2), q
        yield gpt2(attention=attention, layers=2), 1
    for kind in POINTWISE:
        yield paired(attention={"kind": kind}, context="prefix", heads=2, layers=2), 2
    for kind in ("exponential", "linear", "relu"):
        for context in ("causal", "prefix"):
            yield paired(attention={"kind": kind}, context=context, mean=True, layers=2), 1
    for diagonal in (True, False):
        yield complex_attention(heads=2, diagonal=diagonal), P
    for kind in ("exponential", "linear", "softmax"):
        for start in ("constructed", "random"):
            attention = {"kind": kind, "scale": 0.1}
            for blocks in (True, False):
                options = {"attention": attention, "start": start, "blocks": blocks}
                yield kernel_descent(layers=3, **options), 2
    yield attention_only(layout="plain", repeat=2, heads=3, positional=True, residual=False), P
    yield attention_only(bias=False, layer_norm=False, share=True, layers=3), P


MODELS = list(every_model())


@pytest.mark.parametrize(("model", "q"), MODELS, ids=name)
def test_the_future_changes_nothing(model, q):
    network = built(model, q)
    inputs, outputs = prompt(q)
    before = network(inputs, outputs)
    assert before.shape == (len(model.iterates), B, T, q)
    for now in range(T):
        other_inputs, other_outputs = prompt(q, seed=1)
        other_inputs[:, : now + 1] = inputs[:, : now + 1]
        other_outputs[:, :now] = outputs[:, :now]
        after = network(other_inputs, other_outputs)
        torch.testing.assert_close(after[:, :, : now + 1], before[:, :, : now + 1])
        if now < T - 1:
            assert not torch.allclose(after[:, :, now + 1 :], before[:, :, now + 1 :])


@pytest.mark.parametrize(("model", "q"), MODELS, ids=name)
def test_the_transformer_does_not_feel_its_probes(model, q):
    network = built(model, q)
    inputs, outputs = prompt(q)
    errors = (network(inputs, outputs) - outputs).square().mean((1, 2, 3))
    trunk = {name: p for name, p in network.named_parameters() if not name.startswith("probes.")}
    alone = torch.autograd.grad(
        errors[-1], list(trunk.values()), allow_unused=True, retain_graph=True
    )
    together = torch.autograd.grad(errors.sum(), list(trunk.values()), allow_unused=True)
    for one, other in zip(alone, together, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("deep", "shallow", "q"),
    [
        (attention_only(layers=3), attention_only(layers=1), P),
        (paired(layers=3), paired(layers=2), 2),
        (paired(layers=3, context="prefix"), paired(layers=2, context="prefix"), 2),
    ],
    ids=name,
)
def test_a_depth_is_the_truncated_model(deep, shallow, q):
    network, truncated = built(deep, q), built(shallow, q, seed=1)
    state = network.state_dict()
    if isinstance(deep, AttentionOnly):
        last = f"probes.{shallow.layers - 1}"
        state |= {f"readout.{part}": state[f"{last}.{part}"] for part in ("weight", "bias")}
    truncated.load_state_dict({name: state[name] for name in truncated.state_dict()})
    prompts = prompt(q)
    expected = truncated(*prompts)
    torch.testing.assert_close(network(*prompts)[: shallow.layers], expected)


@pytest.mark.parametrize(("model", "q"), MODELS, ids=name)
def test_a_network_holds_parameters_alone(model, q):
    network = built(model, q)
    assert not list(network.buffers())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: attention_only(repeat=2), "repeat"),
        (lambda: attention_only(positional=True, attention={"kind": "relu"}), "positional"),
        (lambda: paired(context="prefix", attention={"kind": "delta"}), "context: causal"),
        (lambda: paired(mean=True, attention={"kind": "softmax"}), "remove mean"),
        (lambda: gpt2(width=9), "multiple of heads"),
    ],
)
def test_settings_that_disagree_are_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_attention_may_be_of_any_kind():
    for kind in ATTENTION:
        assert isinstance(gpt2(attention={"kind": kind}).attention, find("attention", kind))

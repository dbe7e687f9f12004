"""Transformers on tokens of pairs."""

import pytest
import torch
from small_models import POINTWISE, P, T, built, paired, prompt


@pytest.mark.parametrize("kind", ["exponential", "linear", "relu"])
@pytest.mark.parametrize("q", [1, 3])
def test_paired_layers_with_identity_weights_are_functional_gradient_descent(kind, q):
    """f_{l+1} = f_l - eta_l sum_i (f_l(x_i) - y_i) kappa(x_i, .), on every prefix alone."""
    steps = [0.05, 0.02, 0.03]
    network = built(paired(layers=3, context="prefix", attention={"kind": kind}), q)
    with torch.no_grad():
        for block, eta in zip(network.blocks, steps, strict=True):
            block.query.copy_(torch.eye(P))
            block.key.copy_(torch.eye(P))
            block.value_inputs.zero_()
            block.value_labels.copy_(-eta * torch.eye(q))
    inputs, outputs = prompt(q)
    predictions = network(inputs, outputs)
    kappa = {"linear": lambda z: z, "relu": torch.relu, "exponential": torch.exp}[kind]
    for t in range(T):
        x, y = inputs[:, :t], outputs[:, :t]
        gram, row = kappa(x @ x.mT), kappa(inputs[:, t : t + 1] @ x.mT)
        coefficients = torch.zeros_like(y)
        for depth, eta in enumerate(steps):
            coefficients = coefficients - eta * (gram @ coefficients - y)
            torch.testing.assert_close(predictions[depth, :, t], (row @ coefficients)[:, 0])


@pytest.mark.parametrize("kind", POINTWISE)
def test_one_layer_is_the_same_in_causal_and_prefix_context(kind):
    """Only the context tokens' own updates differ, which the first layer does not read."""
    attention = {"kind": kind}
    causal, prefix = (
        built(paired(layers=2, heads=2, attention=attention, context=context), 2)
        for context in ("causal", "prefix")
    )
    one, other = causal(*prompt(2)), prefix(*prompt(2))
    torch.testing.assert_close(one[0], other[0])
    assert not torch.allclose(one[1, :, 3:], other[1, :, 3:])


@pytest.mark.parametrize("context", ["causal", "prefix"])
def test_block_values_are_dense_values_with_zeros(context):
    block = built(paired(layers=2, heads=2, context=context), 2)
    dense = built(paired(layers=2, heads=2, context=context, value="dense"), 2)
    with torch.no_grad():
        for one, other in zip(block.blocks, dense.blocks, strict=True):
            for part in (other.query, other.key, other.value):
                part.zero_()
            other.query[..., :P, :P] = one.query
            other.key[..., :P, :P] = one.key
            other.value[..., :P, :P] = one.value_inputs
            other.value[..., P:, P:] = one.value_labels
    torch.testing.assert_close(dense(*prompt(2)), block(*prompt(2)))


@pytest.mark.parametrize("context", ["causal", "prefix"])
def test_the_mean_divides_by_the_number_of_keys(context):
    total = built(paired(context=context), 2)
    mean = built(paired(context=context, mean=True), 2)
    seen = torch.arange(T).clamp_min(1)[:, None]
    torch.testing.assert_close(mean(*prompt(2)), total(*prompt(2)) / seen)

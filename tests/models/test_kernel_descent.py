"""Transformers that start from the construction for causal kernel descent."""

import pytest
import torch
from small_models import built, kernel_descent, prompt

from iclbench.models.constructed.causal_kernel_descent import CausalKernelDescent


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("kind", ["exponential", "linear", "softmax"])
def test_kernel_descent_starts_from_the_construction(kind, blocks):
    attention = {"kind": kind}
    options = {"start": "constructed", "step": 0.2, "layers": 5, "blocks": blocks}
    trained = kernel_descent(attention=attention, **options)
    settings = {"attention": attention, "step": 0.2, "depths": range(1, 6)}
    by_hand = CausalKernelDescent.model_validate({"kind": "causal_kernel_descent", **settings})
    inputs, outputs = prompt(2)
    inputs = inputs / inputs.norm(dim=-1, keepdim=True)
    found, expected = built(trained, 2)(inputs, outputs), by_hand.predict(inputs, outputs)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_random_kernel_descent_is_another_with_each_seed():
    inputs, outputs = prompt(2)
    model = kernel_descent(layers=2)
    one, other = (built(model, 2, seed)(inputs, outputs) for seed in (0, 1))
    assert not torch.allclose(one, other)

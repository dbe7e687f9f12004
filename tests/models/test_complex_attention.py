"""Attention with complex weights."""

import pytest
import torch
from small_models import P, built, complex_attention, prompt

from iclbench.solvers.complex_gradient_step import ComplexGradientStep


@pytest.mark.parametrize("diagonal", [True, False])
def test_complex_attention_can_be_a_gradient_step(diagonal):
    network = built(complex_attention(diagonal=diagonal), P)
    d = P // 2
    with torch.no_grad():
        for part, reads in (("query", 1), ("key", 2), ("value", 1)):
            weight = torch.zeros(3 * d, 3 * d)
            for i in range(d):
                weight[i, reads * d + i] = 1
            set_weight(getattr(network, part).weight, weight, d)
        readout = torch.cat([3 * d * 0.3 * torch.eye(d), torch.zeros(d, 2 * d)], dim=1)
        set_weight(network.readout.weight, readout, d)
    inputs, _ = prompt(P)
    outputs = torch.cat([inputs[:, 1:], inputs[:, :1]], dim=1)  # a sequence, up to the last output
    step = ComplexGradientStep(kind="complex_gradient_step", step=0.3)
    torch.testing.assert_close(network(inputs, outputs), step.predict(inputs, outputs))


def set_weight(parameter, weight, d):
    """Set a complex weight, in blocks of diagonals or of single entries, to a real matrix."""
    block = parameter.shape[-2]
    rows, columns = weight.shape
    blocks = weight.reshape(rows // block, block, columns // block, block)
    parameter.zero_()
    parameter[0, ..., 0] = blocks.diagonal(dim1=1, dim2=3)

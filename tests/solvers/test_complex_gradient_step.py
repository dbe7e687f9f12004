import numpy as np
import pytest
import torch

from iclbench.solvers.complex_gradient_step import ComplexGradientStep
from iclbench.streams import stream
from iclbench.tasks.dynamics.commuting_unitary import CommutingUnitary


def prompts(dim, length, batch):
    family = CommutingUnitary(kind="commuting_unitary", dim=dim)
    return family.sample(stream("complex", dim, length), batch, length)


def predicted(drawn, **options):
    method = ComplexGradientStep(kind="complex_gradient_step", **options)
    return method.predict(torch.from_numpy(drawn.inputs), torch.from_numpy(drawn.outputs))[
        0
    ].numpy()


def test_it_is_one_step_over_complex_matrices():
    drawn = prompts(3, 6, 4)
    x, y = (rows[..., ::2] + 1j * rows[..., 1::2] for rows in (drawn.inputs, drawn.outputs))
    found = predicted(drawn, step=0.3)
    for b in range(4):
        for t in range(6):
            W = 0.3 * sum((np.outer(y[b, s], x[b, s].conj()) for s in range(t)), np.zeros((3, 3)))
            expected = W @ x[b, t]
            np.testing.assert_allclose(found[b, t, ::2], expected.real, atol=1e-12)
            np.testing.assert_allclose(found[b, t, 1::2], expected.imag, atol=1e-12)


@pytest.mark.parametrize(("dim", "length"), [(5, 20), (2, 9)])
def test_the_best_step_brings_the_stated_loss_and_others_more(dim, length):
    drawn = prompts(dim, length, 20_000)

    def loss(**options):
        return ((predicted(drawn, **options) - drawn.outputs)[:, 1:] ** 2).sum((1, 2))

    eta, M = 3 / (2 * length + 3 * dim - 4), length - 1
    best = loss()
    standard_error = best.std() / np.sqrt(len(best))
    assert abs(best.mean() - dim * (M - eta * M * (M + 1) / 2)) < 4 * standard_error
    for factor in (0.8, 1.25):
        assert loss(step=factor * eta).mean() > best.mean() + standard_error

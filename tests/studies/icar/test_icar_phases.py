"""Minimisers of the augmented layer's loss: one gradient step, up to phases of its coordinates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iclbench.config.files import ModelFile, TaskFile
from iclbench.solvers.complex_gradient_step import ComplexGradientStep
from iclbench.streams import stream
from iclbench.studies.icar.augmented import best_step, losses
from iclbench.studies.icar.spectra import eigenvalues
from iclbench.training.train import train
from iclbench.training.trained import predict


def prediction(lam, T, inside, outside):
    """sum_{t=2}^T outside_i lambda_i^{t-1} sum_j inside_j conj(s_{t-1,j}) s_{T,j}, written out."""
    total = np.zeros_like(lam)
    for t in range(2, T + 1):
        scores = np.sum(inside * (lam ** (t - 2)).conj() * lam ** (T - 1), -1, keepdims=True)
        total += outside * lam ** (t - 1) * scores
    return total


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("T", [3, 9])
def test_phases_cost_nothing_and_turn_the_prediction(seed, T):
    dim, step, batch = 4, 0.07, 40_000
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, dim)
    factor = np.exp(1j * phases)
    lam = eigenvalues("unitary", dim, rng, batch)
    plain = prediction(lam, T, np.ones(dim), step * np.ones(dim))
    turned = prediction(lam, T, factor, step * factor.conj())
    errors = np.sum(np.abs(turned - lam**T) ** 2, -1)
    expected = losses(dim, T, step)[-1]
    assert abs(errors.mean() - expected) < 5 * errors.std() / batch**0.5
    between = np.cos(phases[:, None] - phases)
    c = (between.sum() - dim) / dim
    inner = np.sum((plain.conj() * turned).real, -1)
    power = np.sum(np.abs(plain) ** 2, -1)
    n = T - 1
    cosine = (n**2 + n * c) / (n**2 + n * (dim - 1))
    residual = inner - cosine * power
    assert abs(residual.mean()) < 5 * residual.std() / batch**0.5


def effective(state, dim):
    """Return the factors inside and outside the inner product of a trained diagonal layer.

    Blocks of a token are (0, s_t, s_{t-1}); keys read s_{t-1}, queries and values s_t.
    """
    query, key, value, readout = (
        torch.view_as_complex(state[f"{name}.weight"].double().contiguous())
        for name in ("query", "key", "value", "readout")
    )
    forms = torch.einsum("auj,awj->uwj", key.conj(), query) / (3 * dim)
    values = torch.einsum("ai,avi->vi", readout[0], value)
    return forms[2, 1].numpy(), values[1].numpy()


def train_layer(path, dim, length, seeds, steps, **settings):
    task = {"summary": "x", "length": length, "dynamics": {"kind": "commuting_unitary", "dim": dim}}
    family = TaskFile.model_validate(task).family
    plan = {"steps": steps, "batch": 32, "learning_rate": 2e-2, "schedule": "cosine", "warmup": 0.1}
    layer = {"kind": "complex_attention", **settings}
    file = ModelFile.model_validate(
        {"summary": "x", "model": layer, "training": {**plan, "gradient_clip": 1.0}}
    )
    trained = train(
        family,
        length,
        file.model,
        file.training,
        names=("phases",),
        seeds=range(seeds),
        checkpoints=path,
        fingerprint="x",
        checkpoint_every=10**9,
    )
    prompts = family.sample(stream("phases", "fresh"), 8000, length)
    x, y = torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)
    with torch.no_grad():
        predicted = predict(trained, file.model, x, y)[:, -1].double()
    step = ComplexGradientStep(kind="complex_gradient_step").predict(x, y)[0]
    return trained, prompts, predicted, step


def test_a_trained_layer_is_a_gradient_step_up_to_phases(tmp_path):
    dim, length = 3, 12
    trained, prompts, predicted, step = train_layer(tmp_path, dim, length, 3, 800, diagonal=True)
    y = torch.from_numpy(prompts.outputs)
    lam = np.exp(1j * prompts.truth["angles"])
    eta = best_step(dim, length)
    for seed, last in enumerate(predicted):
        inside, outside = effective({k: part[seed] for k, part in trained.state.items()}, dim)
        phase = inside / np.abs(inside)
        np.testing.assert_allclose(np.angle(outside * phase), 0, atol=0.1)
        np.testing.assert_allclose(np.abs(np.outer(outside, inside)), eta, rtol=0.15)
        turned = np.stack(
            [prediction(lam, T, phase, eta * phase.conj()) for T in range(1, length + 1)], 1
        )
        turned = torch.view_as_real(torch.from_numpy(turned)).flatten(-2)
        assert cosine(last[:, 1:], turned[:, 1:]) > 0.99
        assert loss(last, y) == pytest.approx(loss(step, y), rel=0.02)
    assert min(cosine(each[:, 1:], step[:, 1:]) for each in predicted) < 0.97


def test_matrices_that_are_not_diagonal_do_better(tmp_path):
    _, prompts, predicted, step = train_layer(tmp_path, 3, 12, 1, 600)
    y = torch.from_numpy(prompts.outputs)
    gain = ((step - y).square() - (predicted[0] - y).square()).mean((1, 2))
    assert gain.mean() > 5 * gain.std() / len(gain) ** 0.5


def cosine(a, b):
    return float((a * b).sum() / a.norm() / b.norm())


def loss(predicted, outputs):
    return float((predicted - outputs).square().mean())

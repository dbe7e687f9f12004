"""Looped transformers: loops beyond those trained with, and implicit gradients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from one_seed import one_seed
from pydantic import ValidationError

from iclbench.implicit import NeumannSeries, Outcome, Problem, vanilla
from iclbench.models.looped import Looped
from iclbench.models.networks.looped import LoopedNetwork
from iclbench.studies.implicit.looped import LoopedTraining, Trainable, _descended
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.data import batches
from iclbench.training.settings import Training

LABELS = {"study": "implicit", "task": "loops", "scale": "smoke", "config": "c", "code": "d"}
SMALL = {"kind": "looped", "width": 8, "heads": 2, "init_std": 0.2}
TRAINING = Training(steps=3, batch=8, learning_rate=1e-3, train_set=32)
RNG = np.random.default_rng(0)
INPUTS = torch.from_numpy(RNG.normal(size=(5, 4, 2)))
OUTPUTS = torch.from_numpy(RNG.normal(size=(5, 4, 1)))


def network(**settings):
    torch.manual_seed(0)
    built = one_seed(Looped(**SMALL, **settings).build(2, 1, 4)).double()
    assert isinstance(built, LoopedNetwork)
    return built


def test_more_loops_are_the_same_loops_and_then_more():
    short, long = network(layers=3), network(layers=9)
    assert short.state_dict().keys() == long.state_dict().keys()
    torch.testing.assert_close(short(INPUTS, OUTPUTS), long(INPUTS, OUTPUTS)[:3])


def test_the_future_changes_nothing():
    changed = OUTPUTS.clone()
    changed[:, 2:] += 1
    one, other = (network(layers=4)(INPUTS, outputs) for outputs in (OUTPUTS, changed))
    torch.testing.assert_close(one[:, :, :3], other[:, :, :3])
    assert not torch.allclose(one[:, :, 3], other[:, :, 3])


def test_inner_loops_are_read_and_not_trained():
    model = network(layers=4)
    (gradient,) = torch.autograd.grad(model(INPUTS, OUTPUTS).sum(), model.positions)
    (alone,) = torch.autograd.grad(model(INPUTS, OUTPUTS)[-1].sum(), model.positions)
    torch.testing.assert_close(gradient, alone)


def test_implicit_training_predicts_as_unrolled_training_does():
    unrolled, implicit = network(layers=5), network(layers=5, terms=3)
    torch.testing.assert_close(unrolled(INPUTS, OUTPUTS), implicit(INPUTS, OUTPUTS))


@pytest.mark.parametrize("terms", [1, 4, 40])
def test_at_a_fixed_point_the_implicit_gradient_is_neumanns_series(terms):
    model = network(layers=60 + terms, terms=terms)
    with torch.no_grad():
        # Residuals pass on; what the block adds is what has to contract.
        model.norm.weight.mul_(0.3)
    states = []
    handle = model.norm.register_forward_hook(lambda *found: states.append(found[-1].detach()))
    prediction = model(INPUTS, OUTPUTS)[-1].square().sum()
    handle.remove()
    (found,) = torch.autograd.grad(prediction, model.positions)
    state = states[model.loops - terms - 1]
    torch.testing.assert_close(state, states[-1], rtol=1e-9, atol=1e-9)

    def embedded(positions):
        tokens = model.read_in(interleave(INPUTS[None], OUTPUTS[None]))
        return tokens + positions[:, None, : tokens.shape[2]]

    problem = Problem(
        lambda h, positions: h - model.loop(h, embedded(positions)),
        lambda h, _: model.readout(h[:, :, ::2]).square().sum(),
    )
    estimate = vanilla(problem, state, model.positions.detach(), NeumannSeries(1.0, terms, 1e-9))
    assert estimate.outcome in (Outcome.SOLVED, Outcome.UNSOLVED)
    torch.testing.assert_close(found, estimate.value, rtol=1e-6, atol=1e-9)


def test_as_many_terms_as_loops_are_all_of_them():
    gradients = []
    for terms in (None, 4, 9, 3):
        model = network(layers=4, terms=terms)
        prediction = model(INPUTS, OUTPUTS)[-1].square().sum()
        gradients += torch.autograd.grad(prediction, model.positions)
    unrolled, as_many, more, fewer = gradients
    torch.testing.assert_close(as_many, unrolled, rtol=0, atol=0)
    torch.testing.assert_close(more, unrolled, rtol=0, atol=0)
    assert not torch.allclose(fewer, unrolled, rtol=1e-3)


def interleave(inputs, outputs):
    from iclbench.models.layouts import interleaved

    return interleaved(inputs, outputs)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValidationError, match="found by minimising"):
        Trainable(weights="step", loops=(5,), terms=3)
    with pytest.raises(ValidationError, match="needs a fixed set"):
        LoopedTraining(
            kind="implicit_looped",
            models=(Trainable(weights="free", loops=(3,)),),
            training=TRAINING.model_copy(update={"train_set": None}),
        )


def test_descent_with_its_step_size_is_descent_and_no_step_is_better():
    task = LinearRegression(kind="linear", dim=3)
    drawn = task.sample(np.random.default_rng(1), 300, 12)
    data = (drawn.inputs, drawn.outputs)
    best = _descended(data, 6)(data, 8)

    def by_loop(step):
        errors = []
        for x, y in zip(*data, strict=True):
            w = np.zeros(3)
            for _ in range(6):
                w = w - step * x[:-1].T @ (x[:-1] @ w - y[:-1, 0]) / 11
            errors.append((x[-1] @ w - y[-1, 0]) ** 2)
        return np.mean(errors)

    grid = np.linspace(0.3, 1.5, 61)
    losses = [by_loop(step) for step in grid]
    assert best[5].mean() == pytest.approx(min(losses), rel=0.05)
    assert best[5].mean() <= min(losses) * (1 + 1e-6)


@pytest.fixture(scope="module")
def rows():
    settings = LoopedTraining(
        kind="implicit_looped",
        seeds=2,
        models=(
            Trainable(weights="step", loops=(5,)),
            Trainable(weights="free", loops=(3, 4)),
            Trainable(weights="free", loops=(3,), terms=2),
        ),
        width=8,
        heads=2,
        training=TRAINING,
        prompts=20,
    )
    return pd.concat(settings.measure(("0", "test"), LABELS), ignore_index=True)


def test_every_model_is_tested_at_other_loops_than_trained_with(rows):
    assert set(rows["method"]) == {"step_size", "looped", "equilibrium"}
    keys = ["method", "seed", "reference_iterate"]
    for (_, _, loops), found in rows[rows["metric"] == "test_loss"].groupby(keys):
        assert found["iterate"].min() <= loops / 2 + 1
        assert found["iterate"].max() == 6 * loops
    at = rows[rows["iterate"] == rows["reference_iterate"]]
    assert (at.loc[at["metric"].str.endswith(("difference", "gain")), "value"] == 0).all()


def test_the_training_prompts_are_those_of_training():
    task = LinearRegression(kind="linear", dim=2)
    measurement = LoopedTraining(
        kind="implicit_looped",
        models=(Trainable(weights="free", loops=(3,)),),
        training=TRAINING,
    )
    names = ("0", "test", "looped", "loops_3")
    inputs, _ = measurement._draw(task, (*names, 0, "training"), 32)
    seen = [batch[0][0] for batch in batches([task], 6, TRAINING, names, [0])]
    rows_of = {row.tobytes() for row in inputs}
    assert all(row.tobytes() in rows_of for batch in seen for row in batch)


def test_equal_settings_give_equal_rows(rows):
    again = LoopedTraining(
        kind="implicit_looped",
        seeds=1,
        models=(Trainable(weights="free", loops=(3,)),),
        width=8,
        heads=2,
        training=TRAINING,
        prompts=20,
    )
    found = pd.concat(again.measure(("0", "test"), LABELS), ignore_index=True)
    same = rows[(rows["method"] == "looped") & (rows["reference_iterate"] == 3)]
    same = same[same["seed"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, same)

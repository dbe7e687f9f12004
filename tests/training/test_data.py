from itertools import islice, pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from iclbench.streams import stream
from iclbench.tasks.dynamics.haar import Haar
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.data import batches, in_blocks
from iclbench.training.settings import Ramp, Training

HAAR = Haar(kind="haar", dim=3)
LINEAR = LinearRegression(kind="linear", dim=4)
NAMES = ("task", "model")


def training(**options):
    return Training(**{"steps": 12, "batch": 2, "learning_rate": 1e-3, **options})


def drawn(task, plan, seeds=(0, 1), start=0, length=5):
    return list(batches([task] * len(seeds), length, plan, NAMES, seeds, start))


def test_a_step_draws_from_the_stream_of_its_seed_and_number():
    inputs, outputs = drawn(HAAR, training())[7]
    prompts = HAAR.sample(stream(*NAMES, 1, "training", step=7), 2, 5)
    np.testing.assert_array_equal(inputs[1], prompts.inputs)
    np.testing.assert_array_equal(outputs[1], prompts.outputs)


@pytest.mark.parametrize(
    "plan",
    [
        training(),
        training(resample_every=3),
        training(train_set=6),
        training(points=Ramp(start=2, every=3)),
    ],
)
def test_steps_are_the_same_wherever_one_starts_and_whatever_the_other_seeds(plan):
    everything = drawn(HAAR, plan, seeds=(4, 0, 9))
    for start in range(plan.steps):
        later = drawn(HAAR, plan, seeds=(0,), start=start)
        assert len(later) == plan.steps - start
        for one, other in zip(everything[start:], later, strict=True):
            np.testing.assert_array_equal(one[0][1], other[0][0])
            np.testing.assert_array_equal(one[1][1], other[1][0])


def test_prompts_are_shared_by_as_many_steps_as_asked():
    inputs = [x for x, _ in drawn(HAAR, training(resample_every=4))]
    for step in range(1, 12):
        assert np.array_equal(inputs[step], inputs[step - 1]) == (step % 4 != 0)


def test_an_epoch_goes_through_the_training_set_once():
    plan = training(train_set=6)
    prompts = HAAR.sample(stream(*NAMES, 0, "training"), 6, 5).inputs
    steps = iter(drawn(HAAR, plan))
    orders = []
    for _ in range(4):
        seen = np.concatenate([x[0] for x, _ in islice(steps, 3)])
        orders.append([int(np.argmax((prompts == row).all((1, 2)))) for row in seen])
        assert sorted(orders[-1]) == list(range(6))
    assert len(set(map(tuple, orders))) > 1


def test_a_curriculum_grows_dimension_and_length():
    plan = training(dims=Ramp(start=1, every=4), points=Ramp(start=2, increment=2, every=3))
    for step, (x, y) in enumerate(drawn(LINEAR, plan, length=7)):
        dim, points = 1 + step // 4, min(7, 2 + 2 * (step // 3))
        assert x.shape == (2, 2, points, 4)
        assert y.shape == (2, 2, points, 1)
        assert x[..., :dim].all()
        assert not x[..., dim:].any()
        if points > dim:
            w = np.linalg.lstsq(x[0, 0], y[0, 0], rcond=None)[0]
            np.testing.assert_allclose(x[0, 0] @ w, y[0, 0], atol=1e-9)


def test_a_curriculum_reduces_a_task_no_further_than_it_goes():
    plan = training(dims=Ramp(start=1, every=4))
    sparse = LinearRegression(kind="linear", dim=4, nonzeros=2)
    for step, (x, _) in enumerate(drawn(sparse, plan)):
        assert (x != 0).any((0, 1, 2)).sum() == max(3, 1 + step // 4)
    whole = drawn(HAAR, training())
    for one, other in zip(drawn(HAAR, plan), whole, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_learning_rate_rises_then_falls(schedule):
    plan = training(steps=100, warmup=0.1, schedule=schedule)
    rates = [plan.rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert max(rates) == pytest.approx(1)
    assert all(now <= before for before, now in pairwise(rates[10:]))
    assert rates[-1] == 1 if schedule == "constant" else 0 < rates[-1] < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_set": 5}, "multiple of batch"),
        ({"train_set": 6, "resample_every": 2}, "remove train_set"),
    ],
)
def test_settings_that_disagree_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        training(**options)


def test_blocks_end_where_they_are_asked_to_and_hold_every_step():
    found = list(in_blocks(range(3, 50), 3, size=10, ends=lambda done: done in (5, 20)))
    assert [step for block in found for step in block] == list(range(3, 50))
    assert [block[-1] + 1 for block in found] == [5, 15, 20, 30, 40, 50]
    assert {len(block) for block in in_blocks(range(40), 0, 99, lambda done: False)} == {16, 8}
    assert {len(block) for block in in_blocks(range(5), 0, 0, lambda done: False)} == {1}

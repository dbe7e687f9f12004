"""Training for the last position alone, on tasks of one's own, and looking on."""

import numpy as np
import pytest
import torch

from iclbench.models.attention_only import AttentionOnly
from iclbench.models.paired import Paired
from iclbench.tasks.regression.gaussian_process import GaussianProcess
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.data import batches
from iclbench.training.ensembles import initialised, predictions_of
from iclbench.training.settings import Training
from iclbench.training.train import train

LINEAR = LinearRegression(kind="linear", dim=3)
SIZES = (3, 1, 6)
PLAN = Training(
    steps=12, batch=5, learning_rate=1e-2, log_every=4, precision="float64", positions="last"
)


def prompts(seeds=2):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(seeds, 4, 6, 3, generator=generator, dtype=torch.float64)
    return x, torch.randn(seeds, 4, 6, 1, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    "model",
    [
        Paired(kind="paired", layers=3, context="prefix"),
        Paired(kind="paired", layers=2, context="prefix", mean=True, heads=2),
        Paired(kind="paired", layers=2, context="causal"),
        Paired(kind="paired", layers=2, context="prefix", attention={"kind": "softmax"}),
    ],
    ids=str,
)
def test_the_last_position_alone_is_the_last_of_all(model):
    state = {
        name: part.double() for name, part in initialised(model, *SIZES, ("a",), (0, 1)).items()
    }
    everything = predictions_of(model, *SIZES)(state, *prompts())
    alone = predictions_of(model, *SIZES, last=True)(state, *prompts())
    assert alone.shape == (2, model.layers, 4, 1, 1)
    torch.testing.assert_close(alone, everything[:, :, :, -1:], rtol=1e-10, atol=1e-12)


def test_a_network_that_computes_all_positions_is_read_at_the_last():
    model = AttentionOnly(kind="attention_only")
    state = initialised(model, 3, 3, 6, ("a",), (0,))
    x = torch.randn(1, 4, 6, 3, generator=torch.Generator().manual_seed(1))
    alone = predictions_of(model, 3, 3, 6, last=True)(state, x, x)
    torch.testing.assert_close(alone, predictions_of(model, 3, 3, 6)(state, x, x)[:, :, :, -1:])


def test_the_loss_is_that_of_the_last_position(tmp_path):
    model = Paired(kind="paired", context="prefix")
    one_step = PLAN.model_copy(update={"steps": 1, "log_every": 1})
    trained = train(LINEAR, 6, model, one_step, ("a",), (3,), tmp_path, "f", device="cpu")
    x, y = next(iter(batches([LINEAR], 6, one_step, ("a",), (3,))))
    state = {name: part.double() for name, part in initialised(model, *SIZES, ("a",), (3,)).items()}
    found = predictions_of(model, *SIZES)(state, torch.from_numpy(x), torch.from_numpy(y))
    expected = (found[0, -1, :, -1] - torch.from_numpy(y)[0, :, -1]).square().mean()
    torch.testing.assert_close(trained.losses[0, 0].double(), expected)


def test_a_seed_with_a_task_of_its_own_is_trained_as_if_alone(tmp_path):
    tasks = [
        GaussianProcess.model_validate(
            {"kind": "gaussian_process", "kernel": {"kind": "relu"}, "covariance_seed": seed}
        )
        for seed in (5, 6)
    ]
    model = Paired(kind="paired", context="prefix")
    both = train(tasks, 6, model, PLAN, ("a",), (0, 1), tmp_path / "both", "f", device="cpu")
    alone = train(tasks[1], 6, model, PLAN, ("a",), (1,), tmp_path / "one", "f", device="cpu")
    for name, part in alone.state.items():
        torch.testing.assert_close(part[0], both.state[name][1], rtol=1e-9, atol=1e-12)
    other = train(tasks[0], 6, model, PLAN, ("a",), (1,), tmp_path / "other", "f", device="cpu")
    assert not np.allclose(other.losses, alone.losses)


def test_what_is_observed_is_where_training_stands(tmp_path):
    seen = {}
    model = Paired(kind="paired", layers=2, context="prefix")
    trained = train(
        LINEAR,
        6,
        model,
        PLAN,
        ("a",),
        (0, 1),
        tmp_path,
        "f",
        device="cpu",
        observe=seen.__setitem__,
        observe_at={0, 4, 12, 99},
    )
    assert list(seen) == [0, 4, 12]
    start = initialised(model, *SIZES, ("a",), (0, 1))
    for name, part in trained.state.items():
        torch.testing.assert_close(seen[12][name], part)
        torch.testing.assert_close(seen[0][name], start[name].double())
    assert any(not torch.equal(seen[4][name], part) for name, part in trained.state.items())

"""Training on several devices, here processes on the CPU, is training on one."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from iclbench.files import JobError
from iclbench.models.attention_only import AttentionOnly
from iclbench.tasks.dynamics.haar import Haar
from iclbench.training import data
from iclbench.training import train as training_module
from iclbench.training.module import TrainingDivergedError
from iclbench.training.settings import Training
from iclbench.training.train import train

HAAR = Haar(kind="haar", dim=3)
MODEL = AttentionOnly(kind="attention_only", layers=2)
PLAN = {
    "steps": 30,
    "batch": 4,
    "learning_rate": 1e-2,
    "log_every": 10,
    "gradient_clip": 0.5,
    "precision": "float64",
}


def run(folder, seeds=(0, 1), **options):
    training = Training.model_validate(PLAN | {"devices": options.pop("devices", 2)})
    return train(HAAR, 6, MODEL, training, ("a", "b"), seeds, folder, "f", device="cpu", **options)


def assert_close(one, other):
    for name, part in one.state.items():
        torch.testing.assert_close(part, other.state[name], rtol=1e-7, atol=1e-9, equal_nan=True)
    torch.testing.assert_close(one.losses, other.losses, rtol=1e-9, atol=0, equal_nan=True)
    assert one.diverged == other.diverged


def test_two_devices_train_what_one_does_and_resume(tmp_path):
    one, two = run(tmp_path / "one", devices=1), run(tmp_path / "two", checkpoint_every=10)
    assert_close(two, one)
    (left, last) = sorted((tmp_path / "two").glob("step-*.ckpt"))
    last.unlink()
    again = run(tmp_path / "two", checkpoint_every=1000)
    assert left.exists()
    for name, part in again.state.items():
        assert torch.equal(part, two.state[name]), name
    assert torch.equal(again.losses, two.losses)


def test_a_number_that_is_infinite_on_one_device_stops_its_seed_on_both(tmp_path, monkeypatch):
    def with_infinity(*arguments):
        for step, (inputs, outputs) in enumerate(data.batches(*arguments)):
            outputs[0, -1] = np.where(step == 4, np.inf, outputs[0, -1])
            yield inputs, outputs

    monkeypatch.setattr(training_module, "batches", with_infinity)
    two = run(tmp_path / "two")
    assert two.diverged == {0: 4}
    assert_close(two, run(tmp_path / "one", devices=1))
    with pytest.raises(TrainingDivergedError, match="first at step 4"):
        run(tmp_path / "alone", seeds=(0,))


def test_a_batch_is_shared_equally():
    with pytest.raises(ValidationError, match=r"batch \(4\) is not a multiple of devices \(3\)"):
        Training.model_validate(PLAN | {"devices": 3})


def test_what_several_devices_cannot_do_is_said_before_training(tmp_path):
    with pytest.raises(JobError, match="looked at during this training"):
        run(tmp_path, observe=lambda *_: None, observe_at={0})

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from one_seed import one_seed

from iclbench.models.attention_only import AttentionOnly
from iclbench.models.gpt2 import GPT2
from iclbench.models.paired import Paired
from iclbench.streams import torch_seed
from iclbench.tasks.dynamics.haar import Haar
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training import data, trained
from iclbench.training import train as training_module
from iclbench.training.checkpoints import FolderInUseError, locked, newest
from iclbench.training.ensembles import initialised
from iclbench.training.module import Ensemble, TrainingDivergedError
from iclbench.training.settings import Training
from iclbench.training.train import train
from iclbench.training.trained import predict, save

HAAR = Haar(kind="haar", dim=3)
LINEAR = LinearRegression(kind="linear", dim=3)
SHALLOW = AttentionOnly(kind="attention_only")
DEEP = AttentionOnly(kind="attention_only", layers=2)
LENGTH = 6


def plan(**options):
    default = {"steps": 30, "batch": 4, "learning_rate": 1e-2, "log_every": 10}
    return Training(**{**default, "precision": "float64", **options})


with_and_without_muon = pytest.mark.parametrize(
    "muon", [None, {"learning_rate": 0.03}], ids=["adam", "muon"]
)


def run(folder, model=SHALLOW, training=None, seeds=(0, 1, 2), task=HAAR, **options):
    return train(
        task,
        LENGTH,
        model,
        training or plan(),
        ("task", "model"),
        seeds,
        folder,
        options.pop("fingerprint", "f"),
        device="cpu",
        **options,
    )


def seed_of(result, seed):
    row = result.seeds.index(seed)
    return {name: tensor[[row]] for name, tensor in result.state.items()}


def assert_states_close(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], **tolerance)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        (HAAR, DEEP),
        (HAAR, AttentionOnly(kind="attention_only", attention={"kind": "delta"})),
        (LINEAR, GPT2(kind="gpt2", width=8, layers=2)),
        (LINEAR, Paired(kind="paired", layers=2, context="prefix")),
    ],
    ids=["attention_only", "delta", "gpt2", "paired"],
)
@with_and_without_muon
def test_an_ensemble_is_its_seeds_trained_apart(tmp_path, task, model, muon):
    training = plan(gradient_clip=0.5, schedule="cosine", warmup=0.2, muon=muon)
    together = run(tmp_path / "together", model, training, task=task)
    for seed in (2, 0):
        alone = run(tmp_path / str(seed), model, training, seeds=[seed], task=task)
        assert_states_close(seed_of(together, seed), seed_of(alone, seed), rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(together.losses[:, [seed]], alone.losses)
    assert not torch.allclose(together.losses[:, 0], together.losses[:, 1])


def test_an_ensemble_is_its_seeds_trained_apart_in_single_precision(tmp_path):
    training = plan(precision="float32")
    together = run(tmp_path / "together", training=training)
    alone = run(tmp_path / "alone", training=training, seeds=[1])
    torch.testing.assert_close(together.losses[:, [1]], alone.losses, rtol=1e-2, atol=1e-4)


def test_training_is_adam_on_the_mean_squared_error(tmp_path):
    result = run(tmp_path, seeds=[5])
    torch.manual_seed(torch_seed("task", "model", 5, "init"))
    network = one_seed(SHALLOW.build(3, 3, LENGTH)).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for inputs, outputs in data.batches([HAAR], LENGTH, plan(), ("task", "model"), [5]):
        x, y = torch.from_numpy(inputs[0]), torch.from_numpy(outputs[0])
        loss = (network(x, y)[-1] - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert_states_close(seed_of(result, 5), dict(network.named_parameters()), rtol=1e-6, atol=1e-9)
    assert result.steps == (10, 20, 30)
    np.testing.assert_allclose(result.losses[:, 0], np.reshape(losses, (3, 10)).mean(1))


def test_probes_change_nothing_but_themselves(tmp_path, monkeypatch):
    training = plan(gradient_clip=0.1)
    before = run(tmp_path / "a", DEEP, training)

    def with_other_probes(*arguments):
        state = initialised(*arguments)
        return {name: 9 * t if name.startswith("probes") else t for name, t in state.items()}

    monkeypatch.setattr(training_module, "initialised", with_other_probes)
    after = run(tmp_path / "b", DEEP, training)
    assert any(name.startswith("probes") for name in before.state)
    for name, tensor in before.state.items():
        assert torch.equal(tensor, after.state[name]) != name.startswith("probes"), name


@with_and_without_muon
def test_gradients_are_clipped_a_seed_and_a_probe_at_a_time(muon):
    state = initialised(DEEP, 3, 3, LENGTH, ("a",), [0, 1])
    ensemble = Ensemble(state, lambda *_: torch.zeros(0), plan(gradient_clip=2.0, muon=muon), "f")
    gradient = torch.randn_like(ensemble.rows)
    gradient[0] /= 100

    def by_owner(rows):
        ensemble.rows.data = rows.clone()
        parts = {"transformer": [], "probes.0": []}
        for name, part in ensemble.state().items():
            owner = "probes.0" if name.startswith("probes.0.") else "transformer"
            parts[owner].append(part.flatten(1))
        return [torch.cat(some, dim=1) for some in parts.values()]

    ensemble.rows.grad = gradient.clone()
    ensemble.on_before_optimizer_step(torch.optim.Adam([ensemble.rows]))
    clipped = ensemble.rows.grad.clone()
    for before, after in zip(by_owner(gradient), by_owner(clipped), strict=True):
        assert torch.equal(after[0], before[0])
        torch.testing.assert_close(after[1], 2 * before[1] / before[1].norm())


@with_and_without_muon
def test_a_seed_that_diverges_is_reported_and_leaves_the_others_alone(tmp_path, monkeypatch, muon):
    good = run(tmp_path / "good", training=plan(muon=muon))

    def with_infinity(*arguments):
        for step, (inputs, outputs) in enumerate(data.batches(*arguments)):
            outputs[1] = np.where(step == 14, np.inf, outputs[1])
            yield inputs, outputs

    monkeypatch.setattr(training_module, "batches", with_infinity)
    bad = run(tmp_path / "bad", training=plan(muon=muon))
    assert bad.diverged == {1: 14}
    assert good.diverged == {}
    for seed in (0, 2):
        for name, tensor in seed_of(good, seed).items():
            assert torch.equal(tensor, seed_of(bad, seed)[name])
    assert bad.losses[:, 1].isnan().tolist() == [False, True, True]
    assert torch.equal(bad.losses[:, [0, 2]], good.losses[:, [0, 2]])
    predictions = predict(bad, SHALLOW, *prompts())
    assert predictions.isnan().flatten(1).all(1).tolist() == [False, True, False]
    assert predictions[[0, 2]].isfinite().all()


def test_training_stops_when_no_seed_is_left(tmp_path):
    model = Paired(kind="paired", layers=3, init_std=10.0)
    with pytest.raises(TrainingDivergedError, match="lower learning_rate"):
        run(tmp_path, model, plan(precision="float32", steps=1000), task=LINEAR)


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save(run(tmp_path / name, DEEP), tmp_path / f"{name}.safetensors")
    one, other = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("a", "b"))
    assert one == other


def test_training_leaves_the_random_state_alone(tmp_path):
    before = torch.get_rng_state()
    run(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.filterwarnings("ignore:mkldnn_matmul failed")  # torch falls back where oneDNN cannot
def test_mixed_precision_trains(tmp_path):
    result = run(tmp_path, training=plan(precision="bf16-mixed"))
    assert all(tensor.dtype == torch.float32 for tensor in result.state.values())
    assert result.losses.isfinite().all()
    exact = run(tmp_path / "exact", training=plan(precision="float32"))
    torch.testing.assert_close(result.losses, exact.losses, rtol=0.1, atol=0.01)


def test_progress_is_one_line_at_the_end_of_a_short_run(tmp_path, capfd):
    run(tmp_path)
    written = capfd.readouterr()
    assert written.out == ""
    (line,) = written.err.splitlines()
    assert line.startswith("task model: step 30/30, loss 0.")
    assert line.endswith(" steps/s, 0 s left")


class Counting(Haar):
    """Counts the draws, without being a different task."""

    def sample(self, rng, batch, length):
        DRAWS["all"] += 1
        return super().sample(rng, batch, length)


DRAWS = Counter()
COUNTING = Counting(kind="haar", dim=3)

HALTING_TRAINER = """
import signal, sys
from itertools import count
from pathlib import Path
import torch
from iclbench.models.attention_only import AttentionOnly
from iclbench.streams import torch_seed
from iclbench.tasks.dynamics.haar import Haar
from iclbench.training.settings import Training
from iclbench.training.train import train

DRAWS = count(1)

class Halting(Haar):
    def sample(self, rng, batch, length):
        if next(DRAWS) > 3 * 55:  # drawn a block of ten ahead: 40 steps are made
            signal.pause()
        return super().sample(rng, batch, length)

torch.set_num_threads(1)
model = AttentionOnly(kind="attention_only", layers=2)
training = Training.model_validate_json(sys.argv[2])
train(Halting(kind="haar", dim=3), 6, model, training, ("task", "model"), (0, 1, 2),
      Path(sys.argv[1]), "f", device="cpu", checkpoint_every=10)
"""


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path):
    training = plan(steps=80, schedule="linear", warmup=0.4, log_every=25, gradient_clip=1.0)
    folder = tmp_path / "killed"
    killed = subprocess.Popen(
        [sys.executable, "-c", HALTING_TRAINER, str(folder), training.model_dump_json()],
        stderr=subprocess.PIPE,
    )
    try:
        waited = time.monotonic()
        while not any("step-000000000040" in path.name for path in folder.glob("step-*.ckpt")):
            assert killed.poll() is None, killed.stderr.read().decode()
            assert time.monotonic() - waited < 120
            time.sleep(0.01)
        with pytest.raises(FolderInUseError, match="another process is training"):
            run(folder, DEEP, training)
    finally:
        killed.kill()
        killed.communicate()
    assert killed.returncode == -9
    DRAWS.clear()
    resumed = run(folder, DEEP, training, task=COUNTING)
    assert DRAWS["all"] == 3 * 40
    undisturbed = run(tmp_path / "undisturbed", DEEP, training)
    save(resumed, tmp_path / "a")
    save(undisturbed, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@with_and_without_muon
def test_a_run_resumes_from_any_of_its_checkpoints(tmp_path, muon):
    folder, training = tmp_path / "run", plan(steps=35, muon=muon)
    whole = run(folder, DEEP, training, checkpoint_every=10)
    kept = sorted(folder.glob("step-*.ckpt"))
    assert [path.name for path in kept] == ["step-000000000020.ckpt", "step-000000000030.ckpt"]
    for path, draws in zip(reversed(kept), (5, 15), strict=True):
        DRAWS.clear()
        again = run(folder, DEEP, training, task=COUNTING, checkpoint_every=1000)
        assert DRAWS["all"] == 3 * draws
        assert_states_close(again.state, whole.state, rtol=0, atol=0)
        assert torch.equal(again.losses, whole.losses)
        path.unlink()


def test_damaged_and_foreign_checkpoints_are_reported_and_passed_over(tmp_path, caplog):
    folder, training = tmp_path / "run", plan(steps=35)
    whole = run(folder, DEEP, training, checkpoint_every=10)
    first, last = sorted(folder.glob("step-*.ckpt"))
    last.write_bytes(last.read_bytes()[:-1])
    again = run(folder, DEEP, training, checkpoint_every=1000)
    assert str(last) in caplog.text
    assert "earlier state" in caplog.text
    assert_states_close(again.state, whole.state, rtol=0, atol=0)
    caplog.clear()
    DRAWS.clear()
    run(folder, DEEP, training, task=COUNTING, fingerprint="other", checkpoint_every=1000)
    assert DRAWS["all"] == 3 * 35
    assert f"{first}: written by other settings" in caplog.text
    caplog.clear()
    DRAWS.clear()
    run(folder, DEEP, training, task=COUNTING, seeds=(0, 1), checkpoint_every=1000)
    assert DRAWS["all"] == 2 * 35


def test_one_process_holds_a_folder_at_a_time(tmp_path):
    with locked(tmp_path / "a"):
        with pytest.raises(FolderInUseError, match="end it first"), locked(tmp_path / "a"):
            pass
        with locked(tmp_path / "b"):
            pass
    with locked(tmp_path / "a"):
        assert newest(tmp_path / "a", "f") is None


def prompts(batch=7):
    drawn = HAAR.sample(np.random.default_rng(0), batch, LENGTH)
    return torch.from_numpy(drawn.inputs), torch.from_numpy(drawn.outputs)


def test_predictions_are_those_of_each_seeds_network(tmp_path, monkeypatch):
    result = run(tmp_path, DEEP)
    inputs, outputs = prompts()
    predictions = predict(result, DEEP, inputs, outputs)
    assert predictions.shape == (3, 2, *outputs.shape)
    network = one_seed(DEEP.build(3, 3, LENGTH)).double()
    for row, seed in enumerate(result.seeds):
        network.load_state_dict(seed_of(result, seed))
        torch.testing.assert_close(predictions[row], network(inputs, outputs))
    monkeypatch.setattr(trained, "WEIGHTS", 1)
    torch.testing.assert_close(predict(result, DEEP, inputs, outputs), predictions)
    shorter = predict(result, DEEP, inputs[:, :4], outputs[:, :4])
    torch.testing.assert_close(shorter, predictions[..., :4, :])


def test_only_training_imports_lightning():
    """Settings load without torch, predictions without Lightning."""
    script = """
import sys
import iclbench.models.gpt2, iclbench.models.paired, iclbench.models.attention_only
import iclbench.training.settings
assert not {"torch._C", "scipy", "pandas"} & sys.modules.keys()
import numpy as np, torch
from iclbench.models.gpt2 import GPT2
from iclbench.training.ensembles import initialised
from iclbench.training.train import train
from iclbench.training.trained import Trained, predict
model = GPT2(kind="gpt2", width=4, heads=1)
state = initialised(model, 2, 1, 3, ("a",), [0])
trained = Trained(state, (0,), 3, (), torch.zeros(0, 1), {})
assert predict(trained, model, torch.zeros(2, 3, 2), torch.zeros(2, 3, 1)).shape == (1, 3, 2, 3, 1)
assert not {"pytorch_lightning", "lightning_fabric"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ, cwd=Path.cwd())

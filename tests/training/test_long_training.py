"""Trainings as at the papers' sizes, for a few steps: compiled, mixed precision, curriculum."""

import contextlib
import subprocess
import sys
from pathlib import Path

import torch
import yaml

from iclbench.config.reading import read_config
from iclbench.models.gpt2 import GPT2
from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.settings import Training
from iclbench.training.train import train
from iclbench.training.trained import hidden_states, predict

ROOT = Path(__file__).parents[2]
LINEAR = LinearRegression(kind="linear", dim=6)
SMALL = GPT2(kind="gpt2", layers=2, width=16, heads=2)
PLAN = Training.model_validate(
    {
        "steps": 9,
        "batch": 4,
        "learning_rate": 1e-3,
        "precision": "bf16-mixed",
        "dims": {"start": 2, "every": 2},
        "points": {"start": 3, "increment": 2, "every": 2},
        "log_every": 3,
    }
)

# In a process of its own: the types of what is compiled are not checked while it is traced.
COMPILED = """
import sys
from pathlib import Path

import torch

sys.path.insert(0, sys.argv[1])
from test_long_training import LINEAR, PLAN, SMALL
from iclbench.training.train import train

for precision, seeds, within in (("float64", (0, 1), 1e-9), ("bf16-mixed", (0,), 1e-2)):
    found = []
    for backend in ("aot_eager", None):
        plan = PLAN.model_copy(update={"precision": precision, "compile": backend})
        folder = Path(sys.argv[2], precision, str(backend))
        found.append(train(LINEAR, 9, SMALL, plan, ("a",), seeds, folder, "f", device="cpu").state)
    for name, part in found[0].items():
        torch.testing.assert_close(part, found[1][name], rtol=within, atol=within)
print("the same")
"""


def run(folder, **options):
    return train(LINEAR, 9, SMALL, PLAN, ("a",), (0,), folder, "f", device="cpu", **options)


def test_compiled_training_is_the_training(tmp_path):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", COMPILED, here, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout == "the same\n", done.stderr


def test_a_slice_of_a_long_training_goes_on_where_it_stood(tmp_path):
    class OutOfTimeError(Exception):
        pass

    def stop(*_):
        raise OutOfTimeError

    whole = run(tmp_path / "whole")
    with contextlib.suppress(OutOfTimeError):
        run(tmp_path / "sliced", checkpoint_every=2, observe=stop, observe_at={5})
    left = list((tmp_path / "sliced").glob("*.ckpt"))
    resumed = run(tmp_path / "sliced", checkpoint_every=2)
    assert left
    for name, part in whole.state.items():
        torch.testing.assert_close(part, resumed.state[name], rtol=0, atol=0)


def test_the_models_of_newtons_paper_train_and_show_their_layers(tmp_path):
    run = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "paper"}
    config = read_config(run, ROOT / "config")
    task, file = config.tasks["linear"], config.variants["newton"]["newton_gpt2"]
    model = file.model
    assert (model.layers, model.heads, model.width) == (12, 8, 256)
    assert (task.length, task.family.input_dim) == (41, 20)
    assert (file.training.precision, file.training.compile) == ("bf16-mixed", "inductor")
    short = file.training.model_copy(update={"steps": 3, "batch": 4, "compile": None})
    args = (task.family, task.length, model, short, ("a",), (0,), tmp_path, "f")
    trained = train(*args, device="cpu")
    assert trained.losses.isfinite().all()
    prompts = task.family.sample(stream("test"), 2, task.length)
    x, y = torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)
    assert hidden_states(trained, model, x, y).shape == (1, 12, 2, 41, 256)
    assert predict(trained, model, x, y).isfinite().all()

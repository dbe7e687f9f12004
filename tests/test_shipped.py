"""What is shipped is valid, and every method keeps its promises on every task it may meet."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from one_seed import one_seed

from iclbench.capabilities import why_not
from iclbench.config.reading import read_config
from iclbench.config.schema import schemas
from iclbench.method import Method
from iclbench.plan import Plan
from iclbench.planning import make_plan
from iclbench.streams import stream

ROOT = Path(__file__).parent.parent
SCALES = sorted(path.stem for path in (ROOT / "config/scales").glob("*.yaml"))
ROOMS = {"tasks": "task", "models": "model", "solvers": "solver", "studies": "study"}


@cache
def shipped(scale="smoke"):
    return read_config({"scale": scale}, ROOT / "config")


METHODS = sorted(
    [*(ROOT / "config/models").glob("*.yaml"), *(ROOT / "config/solvers").glob("*.yaml")]
)
TASKS = sorted(path.stem for path in (ROOT / "config/tasks").glob("*.yaml"))


def test_there_are_three_scales():
    assert SCALES == ["laptop", "paper", "smoke"]


@pytest.mark.parametrize("scale", SCALES)
def test_every_file_is_valid_at_every_scale(scale):
    run = yaml.safe_load((ROOT / "config.yaml").read_text())
    plan = make_plan(read_config(run | {"scale": scale}, ROOT / "config"))
    assert plan.tasks
    assert plan.figures
    assert plan.examined
    assert Plan.of_json(json.loads(json.dumps(plan.as_json()))) == plan


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schemas_are_those_of_the_settings(name):
    assert (ROOT / "config/schema" / name).read_text() == schemas()[name], "run `make schema`"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_every_file_names_its_schema(room):
    for path in (ROOT / "config" / room).glob("*.yaml"):
        first = path.read_text().splitlines()[0]
        assert first == f"# yaml-language-server: $schema=../schema/{ROOMS[room]}.json", path


def predictor(path, task):
    """Return a method as a function of inputs and outputs, trained models as initialised."""
    method = described(path).method
    if isinstance(method, Method):
        return method.predict, len(method.iterates)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = one_seed(method.build(task.family.input_dim, task.family.output_dim, task.length))
    return network.double().requires_grad_(False), len(method.iterates)


def described(path):
    config = shipped()
    return (config.models if path.parent.name == "models" else config.solvers)[path.stem]


def pairs():
    for path in METHODS:
        for name in TASKS:
            if not why_not(described(path).needs, shipped().tasks[name].family.facts):
                yield pytest.param(path, name, id=f"{path.stem}-{name}")


def sample(task, batch):
    prompts = task.family.sample(stream("causality"), batch, min(task.length, 12))
    return torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)


@pytest.mark.parametrize(("path", "name"), list(pairs()))
def test_the_future_changes_nothing(path, name):
    """Position t is predicted from the pairs before t and x_t alone, for every method and task."""
    task = shipped().tasks[name]
    predict, iterates = predictor(path, task)
    inputs, outputs = sample(task, batch=2)
    before = predict(inputs, outputs)
    assert before.shape == (iterates, *outputs.shape)
    assert before.dtype == outputs.dtype
    now = inputs.shape[1] // 2
    other_inputs, other_outputs = (part.flip(0) for part in sample(task, batch=2))
    later_inputs = torch.cat([inputs[:, : now + 1], other_inputs[:, now + 1 :]], 1)
    later_outputs = torch.cat([outputs[:, :now], other_outputs[:, now:]], 1)
    assert not torch.equal(later_outputs, outputs)
    after = predict(later_inputs, later_outputs)
    torch.testing.assert_close(
        after[:, :, : now + 1], before[:, :, : now + 1], rtol=1e-9, atol=1e-9, equal_nan=True
    )

"""Muon beside Adam, against a loop over matrices that goes through their singular values."""

import pytest
import torch
from one_seed import one_seed
from pydantic import ValidationError

from iclbench.config.files import ModelFile
from iclbench.models.gpt2 import GPT2
from iclbench.models.paired import Paired
from iclbench.models.trained import TrainedModel
from iclbench.registry import find, locations
from iclbench.streams import torch_seed
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training import data
from iclbench.training.module import is_hidden_matrix
from iclbench.training.muon import orthogonalised
from iclbench.training.settings import Training
from iclbench.training.train import train

TASK = LinearRegression(kind="linear", dim=3)
SMALL = GPT2(kind="gpt2", width=8, heads=2, layers=2, init_std=0.3)
LENGTH = 6


def plan(**options):
    default = {"steps": 25, "batch": 4, "learning_rate": 1e-2, "log_every": 10}
    muon = {"learning_rate": 0.03, "momentum": 0.9}
    return Training(**{**default, "precision": "float64", "muon": muon, **options})


def run(folder, model=SMALL, training=None, seeds=(0, 1, 2), **options):
    return train(
        options.pop("task", TASK),
        LENGTH,
        model,
        training or plan(),
        ("task", "model"),
        seeds,
        folder,
        "f",
        device="cpu",
        **options,
    )


def assert_same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], **tolerance)


def by_singular_values(matrix):
    """Return the matrix with the iteration's polynomial applied to its singular values."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    values = values / values.norm(dim=-1, keepdim=True).clamp_min(1e-7)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ values.diag_embed() @ right


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (2, 5, 4)])
def test_orthogonalised_keeps_singular_vectors_and_levels_singular_values(shape):
    matrix = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = orthogonalised(matrix)
    torch.testing.assert_close(found, by_singular_values(matrix))
    torch.testing.assert_close(orthogonalised(1e-3 * matrix), found)
    assert (torch.linalg.svdvals(matrix) > 0.02 * matrix.norm(dim=(-2, -1))[..., None]).all()
    levelled = torch.linalg.svdvals(found)
    assert levelled.min() > 0.68
    assert levelled.max() < 1.14


@pytest.mark.parametrize("size", [0, 1e-30, 1e-25, 1e-23, 1e-15])
def test_a_gradient_that_has_vanished_moves_nothing(size):
    gradient = size * torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert orthogonalised(gradient).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("model", "count"),
    [(SMALL, 2 * 6), (Paired(kind="paired", layers=2, heads=2), 2 * 3)],
    ids=["gpt2", "paired"],
)
def test_blocks_are_trained_by_muon_and_the_rest_by_adam(tmp_path, model, count):
    training = plan(schedule="cosine", warmup=0.2)
    result = run(tmp_path, model, training, seeds=[5])
    torch.manual_seed(torch_seed("task", "model", 5, "init"))
    network = one_seed(model.build(3, 1, LENGTH)).double()
    named = dict(network.named_parameters())
    matrices = {
        name: p
        for name, p in named.items()
        if name.startswith("blocks") and p.ndim > 2 and min(p.shape[-2:]) > 1
    }
    assert len(matrices) == count
    adam = torch.optim.Adam([p for name, p in named.items() if name not in matrices], lr=1e-2)
    momenta = {name: torch.zeros_like(p) for name, p in matrices.items()}
    prompts = data.batches([TASK], LENGTH, training, ("task", "model"), [5])
    for step, (inputs, outputs) in enumerate(prompts):
        x, y = torch.from_numpy(inputs[0]), torch.from_numpy(outputs[0])
        network.zero_grad()
        (network(x, y) - y).square().mean((1, 2, 3)).sum().backward()  # a loss a layer
        adam.param_groups[0]["lr"] = 1e-2 * training.rate(step)
        adam.step()
        for name, matrix in matrices.items():
            momenta[name] = 0.9 * momenta[name] + 0.1 * matrix.grad
            ahead = 0.9 * momenta[name] + 0.1 * matrix.grad
            size = 0.03 * training.rate(step) * max(1, matrix.shape[-2] / matrix.shape[-1]) ** 0.5
            matrix.data -= size * by_singular_values(ahead)
    assert_same(result.state, named)


def test_without_a_matrix_all_is_trained_by_adam(tmp_path):
    model, task = Paired(kind="paired", value="labels"), LinearRegression(kind="linear", dim=1)
    with_muon = run(tmp_path / "a", model, task=task)
    without = run(tmp_path / "b", model, plan(muon=None), task=task)
    assert_same(with_muon.state, without.state, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", locations("models"))
def test_models_say_whether_they_have_matrices_in_blocks(kind):
    found = find("models", kind)
    if issubclass(found, TrainedModel):
        network = found(kind=kind).build(4, 4 if kind.endswith(("only", "attention")) else 1, 5)
        hidden = [is_hidden_matrix(name, p.shape[1:]) for name, p in network.named_parameters()]
        assert any(hidden) == found.has_blocks


def test_a_model_without_blocks_refuses_muon():
    training = {"steps": 1, "batch": 1, "learning_rate": 0.1, "muon": {"learning_rate": 0.1}}
    with pytest.raises(ValidationError, match="has no blocks of matrices; remove muon"):
        ModelFile.model_validate(
            {"summary": "A", "model": {"kind": "kernel_descent"}, "training": training}
        )

"""Models side by side: what each predicts, learns and leaves is what it would alone."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from iclbench.kernels.named import inner_product_kernel
from iclbench.models.paired import Paired
from iclbench.studies.functional_gd import side_by_side
from iclbench.studies.functional_gd.problems import SPECTRUM, process
from iclbench.studies.functional_gd.side_by_side import SideBySide, trained
from iclbench.training.ensembles import initialised, predictions_of
from iclbench.training.settings import Training

SEEDS, LENGTH, DIM = 2, 5, 5


def model(*heads, layers=1, **options):
    given = {"kind": "paired", "layers": layers, "heads": len(heads), "value": "labels"}
    given |= {"attention": [{"kind": head} for head in heads], "context": "prefix"}
    return Paired.model_validate(given | {"mean": "softmax" not in heads} | options)


MODELS = (
    model("linear", layers=3),
    model("relu", layers=2),
    model("exponential", layers=1),
    model("softmax", layers=3),
    model("linear", layers=1, mean=False),
    model("linear", "exponential", layers=2, mean=False),
    model("softmax", "relu", "softmax", layers=2),
)


def prompts(dtype):
    rng = torch.Generator().manual_seed(0)
    return (torch.randn(SEEDS, 4, LENGTH, size, generator=rng, dtype=dtype) for size in (DIM, 1))


def test_each_predicts_and_has_the_gradient_that_it_has_alone():
    together = SideBySide(kind="side_by_side", models=MODELS)
    inputs, outputs = prompts(torch.float64)
    state = initialised(together, DIM, 1, LENGTH, ("a",), range(SEEDS))
    state = {name: (10 * part).double().requires_grad_() for name, part in state.items()}
    found = predictions_of(together, DIM, 1, LENGTH, last=True)(state, inputs, outputs)
    assert found.shape == (SEEDS, len(MODELS), 4, 1, 1)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).double()
    gradients = torch.autograd.grad((weights * found).sum(), list(state.values()))
    of_all = dict(zip(state, gradients, strict=True))
    for place, each in enumerate(MODELS):
        own = {
            name: part.detach().requires_grad_()
            for name, part in together.state_of(place, state).items()
        }
        alone = predictions_of(each, DIM, 1, LENGTH)(own, inputs, outputs)[:, -1, :, -1:]
        torch.testing.assert_close(found[:, place], alone, rtol=1e-9, atol=1e-12)
        expected = torch.autograd.grad((weights[:, place] * alone).sum(), list(own.values()))
        had = together.state_of(place, of_all)
        for name, gradient in zip(own, expected, strict=True):
            torch.testing.assert_close(had[name], gradient, rtol=1e-9, atol=1e-12)


def test_each_starts_from_the_draws_that_it_starts_from_alone():
    together = SideBySide(kind="side_by_side", models=MODELS)
    state = initialised(together, DIM, 1, LENGTH, ("a",), range(SEEDS))
    for place, each in enumerate(MODELS):
        alone = initialised(each, DIM, 1, LENGTH, ("a",), range(SEEDS))
        own = together.state_of(place, state)
        assert own.keys() == alone.keys()
        assert all(torch.equal(own[name], part) for name, part in alone.items())


def outcomes(models, **options):
    given = {"steps": 8, "batch": 4, "learning_rate": 0.05, "gradient_clip": 0.1}
    training = Training.model_validate(
        given | {"positions": "last", "precision": "float64"} | options
    )
    tasks = [process(inner_product_kernel("linear"), SPECTRUM, seed) for seed in range(SEEDS)]
    return list(trained(models, tasks, LENGTH, training, ("a",), {0, 3}))


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name, part in first.items():
        torch.testing.assert_close(part, second[name], rtol=1e-7, atol=1e-10, equal_nan=True)


@pytest.mark.parametrize("bound", [0, 4 * SEEDS * 4 * LENGTH**2, 2**22])
def test_each_learns_what_it_learns_alone(bound, monkeypatch):
    monkeypatch.setattr(side_by_side, "TOGETHER", bound)
    models = [model("linear", layers=2), model("linear", layers=2, value="block"), model("relu")]
    models += [model("linear", "exponential", layers=2)]
    found = outcomes(models)
    assert [each.model for each in found] == models
    for each in found:
        (alone,) = outcomes([each.model])
        assert each.seen.keys() == alone.seen.keys() == {0, 3}
        for step, state in alone.seen.items():
            assert_equal(each.seen[step], state)
        assert each.state is not None
        assert alone.state is not None
        assert_equal(each.state, alone.state)


def test_one_that_diverges_takes_no_other_along():
    """Exponential weights overflow where their scale is large."""
    wild = model("exponential", layers=3, attention=[{"kind": "exponential", "scale": 1e6}])
    tame = model("linear", layers=2)
    first, second = outcomes([tame, wild])
    (alone,) = outcomes([tame])
    assert first.state is not None
    assert alone.state is not None
    assert_equal(first.state, alone.state)
    assert second.state is None


@pytest.mark.parametrize("options", [{"value": "block"}, {"context": "causal"}])
def test_models_that_change_their_inputs_are_refused(options):
    with pytest.raises(ValidationError, match="say labels and prefix"):
        SideBySide(kind="side_by_side", models=(model("linear"), model("linear", **options)))

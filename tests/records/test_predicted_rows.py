"""The similarities of a task's methods, all at once, against those of every two."""

import pytest
import torch

from iclbench.measures import similarity_of_errors
from iclbench.solvers.gradient_descent import GradientDescent
from iclbench.stages.job import Job
from iclbench.stages.predict import Run, _runs, _similarities

OUTPUTS = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def made(name, family, seed, iterates):
    rng = torch.Generator().manual_seed(10 * len(name) + seed)
    predictions = torch.randn(len(iterates), *OUTPUTS.shape, generator=rng, dtype=torch.float64)
    return Run(name, family, seed, iterates, predictions)


@pytest.fixture
def job():
    settings = {"study": "main", "task": {"name": "orbit"}, "scale": "small"}
    return Job(settings=settings, code="c", config="d", fingerprint="f")


def test_similarities_are_those_of_every_two_methods(job):
    runs = [
        made("bayes", "reference", 0, (0,)),
        made("gd", "solver", 0, (1, 2, 4)),
        made("zero", "solver", 0, (0,)),
        made("built", "constructed", 0, (1, 2)),
        made("trained", "trained", 0, (1, 2)),
        made("trained", "trained", 1, (1, 2)),
    ]
    for of, subtracted in (("errors", OUTPUTS), ("predictions", 0)):
        found = {
            (row.method, row.seed, row.iterate, row.reference, row.reference_iterate): row.value
            for table in _similarities(job, runs, OUTPUTS, of)
            for row in table.itertuples()
        }
        expected = {}
        for place, first in enumerate(runs):
            for second in runs[1:place]:
                if second.family == "trained":
                    continue
                both = (run.predictions - subtracted for run in (first, second))
                values, _ = similarity_of_errors(*both)
                for i, depth in enumerate(first.iterates):
                    for j, other in enumerate(second.iterates):
                        key = (first.method, first.seed, depth, second.method, other)
                        expected[key] = values[i, j].item()
        assert found == pytest.approx(expected, abs=1e-14)
        assert len(found) == 3 + 2 * 4 + 2 * 2 * 6


def test_a_task_on_which_no_method_works_has_no_similarities(job):
    assert list(_similarities(job, [made("bayes", "reference", 0, (0,))], OUTPUTS, "errors")) == []


@pytest.mark.parametrize("size", [1, 4, 6, 100])
def test_a_method_predicts_parts_of_the_prompts_as_it_predicts_all(job, size):
    method = {"kind": "gradient_descent", "iterations": [1, 5]}
    job.settings["methods"] = {"gd": {"family": "solver", "settings": method}}
    job.settings["prompts_at_once"] = size
    inputs = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (run,) = _runs(job, {"inputs": inputs, "outputs": OUTPUTS}, {})
    expected = GradientDescent.model_validate(method).predict(inputs, OUTPUTS)
    torch.testing.assert_close(run.predictions, expected)

"""Readouts, induced weights and memory of trained models."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from iclbench.files import JobError
from iclbench.measures import squared_errors
from iclbench.models.gpt2 import GPT2
from iclbench.solvers.gradient_descent import GradientDescent
from iclbench.solvers.least_squares import LeastSquares
from iclbench.solvers.newton import Newton
from iclbench.solvers.online_gradient_descent import OnlineGradientDescent
from iclbench.streams import stream
from iclbench.studies.newton.memory import Memory
from iclbench.studies.newton.probes import Probes, least_squares_readout, trained_readout, with_one
from iclbench.studies.newton.weights import InducedWeights
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.examination import Learner, Subject
from iclbench.training.settings import Training
from iclbench.training.train import train
from iclbench.training.trained import hidden_states, predict

DIM, LENGTH = 3, 7
TASK = LinearRegression(kind="linear", dim=DIM)
NAMES = ("0", "newton", "test")
LABELS = {"study": "newton", "task": "test", "scale": "test", "config": "0" * 16, "code": "0" * 16}


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    model = GPT2(kind="gpt2", layers=2, width=8, heads=2, init_std=0.3)
    training = Training(steps=30, batch=16, learning_rate=1e-2)
    folder = tmp_path_factory.mktemp("checkpoints")
    trained = train(TASK, LENGTH, model, training, ("task", "gpt2"), (0, 1), folder, "test")
    prompts = TASK.sample(stream("test"), 40, LENGTH)
    return Subject(
        task=TASK,
        length=LENGTH,
        power=float(DIM),
        inputs=torch.from_numpy(prompts.inputs),
        outputs=torch.from_numpy(prompts.outputs),
        methods={
            "newton": (
                "solver",
                Newton(kind="newton", initial_scale="code", iterations=(1, 5, 40)),
            ),
            "gd": ("solver", GradientDescent(kind="gradient_descent", iterations=(1, 10))),
            "ols": ("solver", LeastSquares(kind="least_squares")),
            "online": ("solver", OnlineGradientDescent(kind="online_gradient_descent")),
        },
        learners=(Learner("gpt2", model, trained),),
    )


@pytest.fixture(scope="module")
def probed(subject):
    probes = Probes(kind="newton_probes", of="linear", methods=("gpt2",), prompts=300, steps=400)
    tables = list(probes.examine(subject, NAMES, LABELS))
    return pd.concat(tables, ignore_index=True)


def averaged(rows, method, metric="squared_error"):
    chosen = (rows["method"] == method) & (rows["metric"] == metric) & rows["position"].isna()
    return rows[chosen].set_index(["seed", "iterate"])["value"].sort_index()


def test_states_are_what_the_readouts_read(subject):
    (learner,) = subject.learners
    states = hidden_states(learner.trained, learner.model, subject.inputs, subject.outputs)
    found = predict(learner.trained, learner.model, subject.inputs, subject.outputs)
    weights = learner.trained.state["readout.weight"].double()[0, 0]
    last = states[0, -1] @ weights + learner.trained.state["readout.bias"].double()[0]
    torch.testing.assert_close(last, found[0, -1, ..., 0], atol=1e-5, rtol=1e-5)


def test_least_squares_readout_is_that_of_numpy(subject):
    (learner,) = subject.learners
    states = hidden_states(learner.trained, learner.model, subject.inputs, subject.outputs)
    weights = least_squares_readout(states, subject.outputs)
    features = with_one(states)[1, 0].flatten(0, 1).numpy()
    expected = np.linalg.lstsq(features, subject.outputs.flatten(0, 1).numpy(), rcond=None)[0]
    np.testing.assert_allclose(features @ weights[1, 0].numpy(), features @ expected, atol=1e-8)


def test_no_readout_is_better_than_least_squares_where_it_was_fitted(subject):
    (learner,) = subject.learners
    states = hidden_states(learner.trained, learner.model, subject.inputs, subject.outputs)
    fitted = torch.einsum(
        "skbtw,skwq->skbtq", with_one(states), least_squares_readout(states, subject.outputs)
    )
    along = predict(learner.trained, learner.model, subject.inputs, subject.outputs)
    for seed in range(2):
        least = squared_errors(fitted[seed], subject.outputs).mean((1, 2))
        assert bool((least <= squared_errors(along[seed], subject.outputs).mean((1, 2))).all())


def test_all_readouts_of_all_layers_have_errors_and_matches(probed):
    methods = {"gpt2", "gpt2_retrained", "gpt2_least_squares"}
    assert set(probed["method"]) == methods
    for method in methods:
        assert len(averaged(probed, method)) == 2 * 2
        own = probed[(probed["method"] == method) & (probed["reference"] == "newton")]
        grid = own[own["metric"] == "similarity"]
        best = own[own["metric"] == "best_match"].set_index(["seed", "iterate"])["value"]
        peak = grid.loc[grid.groupby(["seed", "iterate"])["value"].idxmax()]
        peak = peak.set_index(["seed", "iterate"])["reference_iterate"].astype(float)
        assert peak.sort_index().tolist() == best.sort_index().tolist()


@pytest.mark.parametrize("fit", [None, (3, 5)])
def test_the_rank_correlation_is_that_of_scipy_once_pairs_outnumber_dimensions(tmp_path, fit):
    model = GPT2(kind="gpt2", layers=6, width=8, heads=2, init_std=0.3)
    training = Training(steps=3, batch=16, learning_rate=1e-2)
    trained = train(TASK, LENGTH, model, training, ("task", "deep"), (0, 1), tmp_path, "test")
    prompts = TASK.sample(stream("test"), 40, LENGTH)
    deep = Subject(
        task=TASK,
        length=LENGTH,
        power=float(DIM),
        inputs=torch.from_numpy(prompts.inputs),
        outputs=torch.from_numpy(prompts.outputs),
        methods={},
        learners=(Learner("deep", model, trained),),
    )
    options = {"of": "linear", "methods": ("deep",), "prompts": 40, "steps": 5, "fit": fit}
    rows = pd.concat(Probes(kind="newton_probes", **options).examine(deep, NAMES, LABELS))
    first, last = fit[0] if fit else 1, 6
    errors = rows[(rows["metric"] == "squared_error") & (rows["position"] > DIM).fillna(False)]
    errors = errors[errors["iterate"] >= first]
    found = rows[rows["metric"] == "rank_correlation"].set_index(["method", "seed"])
    assert len(found) == 3 * 2
    assert set(found["iterate"]) == {first}
    expected = {}
    for key, own in errors.groupby(["method", "seed"]):
        mean = own.groupby("iterate")["value"].mean()
        assert len(mean) == last - first + 1
        expected[key] = spearmanr(mean.index, mean.to_numpy()).statistic
    assert len(set(expected.values())) > 2  # not all of them rise, or fall, throughout
    for key, value in expected.items():
        assert found.loc[key, "value"] == pytest.approx(value)


def test_trained_readouts_approach_least_squares(subject):
    (learner,) = subject.learners
    states = hidden_states(learner.trained, learner.model, subject.inputs, subject.outputs)

    def errors(weights):
        fitted = torch.einsum("skbtw,skwq->skbtq", with_one(states), weights)
        return (fitted - subject.outputs).square().mean((2, 3, 4))

    least = errors(least_squares_readout(states, subject.outputs))
    options = {"batch": 40, "learning_rate": 2e-2, "names": NAMES}
    found = [
        errors(trained_readout(states, subject.outputs, steps=steps, **options))
        for steps in (1, 100, 2000)
    ]
    assert bool((found[0] > found[1]).all() and (found[1] > found[2]).all())
    assert bool((found[2] > least).all() and (found[2] < 1.03 * least).all())


def test_weights_of_a_converged_solver_are_those_of_least_squares(subject):
    weights = InducedWeights(
        kind="newton_weights", of="linear", methods=("gpt2",), prompts=6, queries=8
    )
    rows = pd.concat(weights.examine(subject, NAMES, LABELS), ignore_index=True)
    of_newton = rows[(rows["metric"] == "weight_similarity") & (rows["reference"] == "newton")]
    of_ols = rows[(rows["metric"] == "weight_similarity") & (rows["reference"] == "ols")]
    keys = ["seed", "iterate"]
    last = of_newton[of_newton["reference_iterate"] == 40].set_index(keys)["value"]
    np.testing.assert_allclose(last, of_ols.set_index(keys)["value"].loc[last.index], atol=1e-2)
    assert bool(of_newton["value"].between(-1, 1).all())


def test_least_squares_remembers_and_one_pass_forgets(subject):
    memory = Memory(kind="newton_memory", of="linear", methods=("ols",), prompts=200)
    rows = pd.concat(memory.examine(subject, NAMES, LABELS), ignore_index=True)
    errors = rows.set_index(["method", "seed", "reference_iterate"])["value"].sort_index()
    assert errors["ols", 0].max() < 1e-12
    online = errors["online", 0]
    assert list(online.index) == list(range(LENGTH - 1))
    assert online.loc[0] < 1e-12  # projected onto this pair just before
    assert bool((online.loc[1:] > 0.01).all())
    assert online.loc[LENGTH - 2] > 3 * online.loc[1]


def test_memory_of_fewer_pairs_and_of_too_many(subject):
    settings = {"kind": "newton_memory", "of": "linear", "methods": ("online",), "prompts": 5}
    rows = pd.concat(Memory(**settings, pairs=3).examine(subject, NAMES, LABELS))
    assert set(rows["reference_iterate"]) == {0, 1, 2}
    with pytest.raises(JobError, match=f"give {LENGTH - 1} at most"):
        list(Memory(**settings, pairs=LENGTH).examine(subject, NAMES, LABELS))

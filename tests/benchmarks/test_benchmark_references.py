"""Every reference computes what ours does: else a ratio of times says nothing."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.cases import gpt2_step, lightning, linear_attention, solver_sweep
from benchmarks.ensemble import Stepper, built
from benchmarks.references import (
    augmented,
    bare_loop,
    bare_snakefile,
    masked_attention,
    prefixes,
    solvers,
)
from iclbench.attention.exponential import Exponential
from iclbench.attention.linear import Linear
from iclbench.kernels.named import inner_product_kernel
from iclbench.models.attention_only import AttentionOnly
from iclbench.solvers.causal_kernel_descent import CausalKernelDescent
from iclbench.solvers.kaczmarz import Kaczmarz
from iclbench.solvers.kernel_ridge import KernelRidge
from iclbench.streams import stream
from iclbench.tasks.dynamics.haar import Haar
from iclbench.training.data import batches
from iclbench.training.ensembles import initialised, predictions_of
from iclbench.training.settings import Training
from iclbench.training.train import train

SOLVERS = {
    "newton": (solver_sweep.newton(), solvers.newton),
    "descent": (solver_sweep.descent((1, 2, 4, 8)), solvers.gradient_descent),
}
GRAMS = {"linear": prefixes.linear, "exponential": prefixes.exponential}


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("name", SOLVERS)
def test_sweeps_agree(name, anew):
    method, iteration = SOLVERS[name]
    x, y = solver_sweep.prompts(1)
    found = solvers.sweep(iteration, x, y, method.iterates, anew=anew)
    torch.testing.assert_close(found, method.predict(x, y), rtol=0, atol=1e-8)


def test_starting_anew_changes_nothing():
    method, iteration = SOLVERS["newton"]
    x, y = solver_sweep.prompts(1)
    once, anew = (
        solvers.sweep(iteration, x, y, method.iterates[:5], anew=anew) for anew in (False, True)
    )
    assert torch.equal(once, anew)


def sequences():
    drawn = Haar(kind="haar", dim=3).sample(stream("benchmarks", "test"), 2, 12)
    return drawn.inputs, drawn.outputs


def agree(method, reference):
    x, y = sequences()
    ours = method.predict(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(reference(x, y), ours, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", GRAMS)
def test_kaczmarz_passes_agree(kind):
    agree(
        Kaczmarz(kind="kaczmarz", kernel=inner_product_kernel(kind)),
        partial(prefixes.kaczmarz, GRAMS[kind]),
    )


@pytest.mark.parametrize("kind", GRAMS)
def test_kernel_ridge_agrees(kind):
    agree(
        KernelRidge(kind="kernel_ridge", kernel=inner_product_kernel(kind), penalty=0.1),
        partial(prefixes.kernel_ridge, GRAMS[kind], 0.1),
    )


@pytest.mark.parametrize("depths", ["limit", (1, 3, 10)])
def test_causal_kernel_descent_agrees(depths):
    method = CausalKernelDescent(
        kind="causal_kernel_descent",
        attention=Exponential(kind="exponential"),
        step=0.3,
        relative=True,
        depths=depths,
    )
    if depths == "limit":
        reference = partial(prefixes.causal_descent_limit, prefixes.exponential)
    else:
        reference = partial(prefixes.causal_descent, prefixes.exponential, 0.3, depths)
    agree(method, reference)


@pytest.mark.parametrize("length", [5, 200])
def test_masked_attention_agrees_with_its_gradients(length):
    parts = linear_attention.drawn(length, 8)
    ours, theirs = (
        linear_attention.differentiated(attend, *parts)
        for attend in (Linear(kind="linear").attend, masked_attention.attend)
    )
    assert len(ours) == len(theirs) == 4
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_the_authors_network_is_ours():
    settings = AttentionOnly(kind="attention_only")
    state = initialised(settings, 3, 3, 12, ("benchmarks", "test"), [0])
    network = augmented.Augmented(3)
    own = {f"blocks.0.{name}": name for name in ("query", "key", "value", "mix", "norm")}
    taken = {
        f"{theirs}.{part}": state[f"{ours}.{part}"][0]
        for ours, theirs in own.items()
        for part in ("weight", "bias")
    }
    rest = network.state_dict()
    for part in ("weight", "bias"):
        read = rest[f"readout.{part}"].clone()
        read[:3] = state[f"readout.{part}"][0]  # theirs reads out what no loss looks at as well
        taken[f"readout.{part}"] = read
    network.load_state_dict(taken)
    x, y = (torch.from_numpy(part).float() for part in sequences())
    ours = predictions_of(settings, 3, 3, 12)(state, x[None], y[None])[0, -1]
    torch.testing.assert_close(network(x), ours, rtol=0, atol=1e-5)


def test_the_authors_sequences_are_orthogonal_orbits():
    states = augmented.sequences(stream("benchmarks", "test"), 4, 3, 6).double()
    assert states.shape == (4, 7, 3)
    torch.testing.assert_close(states.norm(dim=-1), torch.ones(4, 7).double())
    gram = states @ states.mT  # <s_t, s_u> depends on t - u alone
    torch.testing.assert_close(gram[:, 1:, 1:], gram[:, :-1, :-1], rtol=0, atol=1e-5)


def test_a_bare_loop_trains_to_the_same_weights(tmp_path):
    family, length = Haar(kind="haar", dim=3), 8
    training = Training(steps=6, batch=2, learning_rate=1e-2, schedule="cosine", gradient_clip=0.3)
    model, names, seeds = AttentionOnly(kind="attention_only"), ("benchmarks", "test"), [0, 1]
    trained = train(family, length, model, training, names, seeds, Path(tmp_path), "", device="cpu")
    ensemble = built(model, 3, 3, length, training, names, seeds)
    done = []
    bare_loop.train(
        Stepper(ensemble), batches([family] * 2, length, training, names, seeds), done.append
    )
    assert done == [1, 2, 3, 4, 5, 6]
    for name, part in ensemble.state().items():
        torch.testing.assert_close(part.detach(), trained.state[name], rtol=0, atol=1e-6)


def test_transformers_network_is_ours():
    pytest.importorskip("transformers")
    ours = gpt2_step.ours("float32", 2, 2, 0)
    theirs = gpt2_step.theirs({"activation_function": "gelu"}, 2, 2, 0)
    np.testing.assert_allclose(ours.result, theirs.result, rtol=1e-5)


def test_a_step_in_mixed_precision_is_that_of_exact_numbers_rounded():
    exact, mixed = (gpt2_step.ours(each, 4, 2, 0).result for each in ("float32", "bf16-mixed"))
    assert mixed != exact
    np.testing.assert_allclose(mixed, exact, rtol=gpt2_step.TOLERANCE["bf16-mixed"])


def test_the_clock_runs_from_the_first_look_to_the_last():
    watch = lightning.Watch(last=40)
    for step in range(1, 41):
        watch.look(step)
    assert watch.times.keys() == {lightning.FIRST, 40}
    assert watch.seconds() > 0


PRINTED = """
rule train:
    input: plan/a.json, prompts/a
    output: models/a, curves/a
    log: logs/a.log
    jobid: 3

rule train:
    input: plan/b.json, prompts/a
    output: models/b, curves/b
    jobid: 4

localrule default:
    input: models/a, models/b
    jobid: 0
"""


def test_jobs_are_read_from_what_a_dry_run_prints():
    first, second, last = bare_snakefile.jobs(PRINTED)
    assert first == bare_snakefile.Job(
        "train", ("plan/a.json", "prompts/a"), ("models/a", "curves/a")
    )
    assert second.outputs == ("models/b", "curves/b")
    assert last == bare_snakefile.Job("default", ("models/a", "models/b"), ())


def test_a_bare_snakefile_has_the_same_rules_and_edges(tmp_path):
    bare_snakefile.write(tmp_path, bare_snakefile.jobs(PRINTED), rules=5)
    text = (tmp_path / "Snakefile").read_text()
    scope = {}
    exec(text.partition("\n")[0], scope)  # the first line is data
    assert scope["INPUTS"]["default"] == [["made/train/0.0", "made/train/1.0"]]
    assert len(scope["INPUTS"]["train"]) == 2
    assert sum(line.startswith("rule ") for line in text.splitlines()) == 5
    assert len(list(tmp_path.glob("given/*"))) == 3

"""The baselines that the study fits to every prefix, and where they are measured."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from iclbench.streams import stream
from iclbench.studies.linear_attention.baselines import Baselines
from iclbench.studies.linear_attention.descended import DescendedNetwork
from iclbench.studies.linear_attention.fitted import Fitted
from iclbench.studies.linear_attention.functions import DecisionTree
from iclbench.studies.linear_attention.lasso import Lasso
from iclbench.studies.linear_attention.trees import BoostedTrees, RegressionTree

LABELS = {
    "study": "linear_attention",
    "task": "baselines",
    "scale": "smoke",
    "config": "c",
    "code": "d",
}
TREE = DecisionTree(kind="decision_tree", dim=5, depth=3)
METHODS = {
    "lasso": Lasso(kind="lasso", alpha=0.05),
    "descended_network": DescendedNetwork(kind="descended_network", hidden=7, steps=5, batch=4),
    "regression_tree": RegressionTree(kind="regression_tree", depth=3),
    "regression_tree_signs": RegressionTree(kind="regression_tree", depth=3, signs=True),
    "boosted_trees": BoostedTrees(kind="boosted_trees", depth=2, rounds=4),
    "boosted_trees_signs": BoostedTrees(kind="boosted_trees", depth=2, rounds=4, signs=True),
}


def normal(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(stream("fitted", name).standard_normal(shape))


@pytest.mark.parametrize("name", METHODS)
def test_predictions_see_the_pairs_before_them_alone(name: str):
    x, y = normal("x", 3, 8, 2), normal("y", 3, 8, 1)
    found = METHODS[name].predict(x, y)[0]
    assert found.shape == y.shape
    assert (found[:, 0] == 0).all()
    t = 5
    later, labels = x.clone(), y.clone()
    later[:, t + 1 :], labels[:, t:] = 7.0, -9.0
    changed = METHODS[name].predict(later, labels)[0]
    torch.testing.assert_close(changed[:, : t + 1], found[:, : t + 1], rtol=0, atol=1e-12)
    assert (changed[:, t + 1 :] != found[:, t + 1 :]).any()


@pytest.mark.parametrize("name", METHODS)
def test_prompts_are_fitted_apart(name: str):
    x, y = normal("x", 5, 6, 2), normal("y", 5, 6, 2)
    found = METHODS[name].predict(x, y)
    torch.testing.assert_close(METHODS[name].predict(x[:2], y[:2]), found[:, :2])


def lasso_weights(x: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return what it says of every unit vector: the weights, as it has no intercept."""
    batch, p = len(x), x.shape[2]
    units = torch.eye(p, dtype=x.dtype).repeat(batch, 1)
    x, y = x.repeat_interleave(p, 0), y.repeat_interleave(p, 0)
    return Lasso(kind="lasso", alpha=alpha).fit(x, y, units).unflatten(0, (batch, p))


@pytest.mark.parametrize("seen", [1, 3, 6, 13])
@pytest.mark.parametrize("alpha", [0.01, 0.3])
def test_the_lasso_satisfies_its_conditions_of_optimality(alpha: float, seen: int):
    """X^T (Y - X w) / t is alpha sign(w_j) where w_j is not 0, and within alpha where it is."""
    x, y = normal("lasso", 6, 13, 5)[:, :seen], normal("labels", 6, 13, 2)[:, :seen]
    w = lasso_weights(x, y, alpha)
    slope = x.mT @ (y - x @ w) / seen
    kept = w != 0
    torch.testing.assert_close(slope[kept], alpha * w[kept].sign(), rtol=0, atol=1e-6)
    assert (slope.abs() <= alpha + 1e-6).all()
    assert (kept.sum(1) <= seen).all()


def test_the_lasso_of_hardly_any_weight_is_least_squares():
    x, y = normal("lasso", 6, 13, 5), normal("labels", 6, 13, 1)
    expected = torch.linalg.lstsq(x, y).solution
    torch.testing.assert_close(lasso_weights(x, y, 1e-9), expected, rtol=0, atol=1e-5)


def test_the_lasso_of_a_large_weight_says_zero():
    x, y = normal("lasso", 6, 13, 5), normal("labels", 6, 13, 1)
    largest = float((x.mT @ y / 13).abs().max())
    assert (lasso_weights(x, y, 1.001 * largest) == 0).all()
    assert (lasso_weights(x, y, 0.999 * largest) != 0).sum() == 1


def test_the_descended_network_is_trained_as_torch_does():
    x, y, asked = normal("x", 2, 6, 3), normal("y", 2, 6, 1), normal("q", 2, 3)
    method = DescendedNetwork(kind="descended_network", hidden=8, steps=25, batch=4)
    found = method.fit(x, y, asked)
    state = method._start(3, 1, 2, 6)
    for prompt in range(2):
        W, b, v, c = (part[prompt] for part in state)
        network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        with torch.no_grad():
            for own, given in zip(network.parameters(), (W.T, b[0], v.T, c[0]), strict=True):
                own.copy_(given)
        adam = torch.optim.Adam(network.parameters(), lr=5e-3)
        pairs = stream("descended network", "pairs", step=6)
        for _ in range(25):
            chosen = pairs.permutation(6)[:4]
            adam.zero_grad()
            error = network(x[prompt, chosen].float()) - y[prompt, chosen].float()
            error.square().mean().backward()
            adam.step()
        expected = network(asked[prompt].float()).double()
        torch.testing.assert_close(found[prompt], expected, rtol=1e-4, atol=1e-5)


def test_networks_begin_apart_and_within_their_bounds():
    state = METHODS["descended_network"]._start(16, 1, 3, 5)
    for part, fan in zip(state, (16, 16, 7, 7), strict=True):
        assert part.abs().max() * fan**0.5 <= 1
        assert not torch.equal(part[0], part[1])
    assert (4 * state[0]).std() == pytest.approx(3**-0.5, rel=0.1)


def said_of_the_pairs(method: Fitted, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return what it says, fitted to all pairs, of the pairs' own inputs."""
    batch, seen = len(x), x.shape[1]
    own = x.flatten(0, 1)
    x, y = x.repeat_interleave(seen, 0), y.repeat_interleave(seen, 0)
    return method.fit(x, y, own).unflatten(0, (batch, seen))


def test_one_question_is_the_best_of_all():
    """Of all ways to part the pairs by a threshold, a stump leaves the least sum of squares."""
    x, y = normal("tree x", 20, 9, 3), normal("tree y", 20, 9, 1)
    said = said_of_the_pairs(RegressionTree(kind="regression_tree", depth=1), x, y)
    left = (said - y).square().sum((1, 2))
    for b in range(20):
        parts = [x[b, :, j] <= end for j in range(3) for end in x[b, :, j].sort().values[:-1]]
        sums = [y[b, s].var(correction=0) * s.sum() for part in parts for s in (part, ~part)]
        least = torch.stack(sums).unflatten(0, (-1, 2)).sum(1).min()
        torch.testing.assert_close(left[b], least)


def test_a_deep_tree_repeats_its_labels_and_a_shallow_one_has_few_answers():
    x, y = normal("tree x", 10, 5, 3), normal("tree y", 10, 5, 1)
    deep = said_of_the_pairs(RegressionTree(kind="regression_tree", depth=4), x, y)
    torch.testing.assert_close(deep, y)
    x, y = normal("tree x", 10, 16, 3), normal("tree y", 10, 16, 1)
    for depth in (1, 2, 3):
        said = said_of_the_pairs(RegressionTree(kind="regression_tree", depth=depth), x, y)
        assert max(len(prompt.unique()) for prompt in said) == 2**depth
        torch.testing.assert_close(said.mean(1), y.mean(1))


def test_a_tree_of_depth_four_repeats_sixteen_labels_that_halve():
    """A question a binary digit: each halves the labels, the digit of most weight first."""
    number = torch.arange(16)
    digits = (number[:, None] >> torch.tensor([3, 2, 1, 0])) & 1
    x = (2.0 * digits - 1).double()[None]
    y = (digits @ torch.tensor([8, 4, 2, 1])).double()[None, :, None]
    order = stream("fitted", "order").permutation(16)
    x, y = x[:, order], y[:, order]
    for signs in (False, True):
        method = RegressionTree(kind="regression_tree", depth=4, signs=signs)
        torch.testing.assert_close(said_of_the_pairs(method, x, y), y)
    shallow = RegressionTree(kind="regression_tree", depth=3)
    off = (said_of_the_pairs(shallow, x, y) - y).abs()
    torch.testing.assert_close(off, torch.full_like(off, 0.5))


def test_training_errors_fall_with_the_rounds_of_boosting():
    x, y = normal("tree x", 8, 16, 3), normal("tree y", 8, 16, 1)
    errors = [(y - y.mean(1, keepdim=True)).square().mean(1)]
    for rounds in (1, 2, 4, 8, 16):
        method = BoostedTrees(kind="boosted_trees", depth=2, rounds=rounds)
        errors.append((said_of_the_pairs(method, x, y) - y).square().mean(1))
        assert (errors[-1] < errors[-2]).all()


def test_one_round_at_full_rate_is_a_tree():
    x, y, asked = normal("tree x", 10, 12, 3), normal("tree y", 10, 12, 1), normal("tree q", 10, 3)
    alone = RegressionTree(kind="regression_tree", depth=2).fit(x, y, asked)
    once = BoostedTrees(kind="boosted_trees", depth=2, rounds=1, rate=1)
    torch.testing.assert_close(once.fit(x, y, asked), alone)
    half = BoostedTrees(kind="boosted_trees", depth=2, rounds=1, rate=0.5)
    torch.testing.assert_close(half.fit(x, y, asked), (y.mean(1) + alone) / 2)


@pytest.mark.parametrize("name", ["regression_tree", "boosted_trees"])
def test_trees_of_signs_see_no_sizes(name: str):
    x, y, asked = normal("tree x", 20, 12, 3), normal("tree y", 20, 12, 1), normal("tree q", 20, 3)
    sizes, size = normal("sizes", 20, 12, 3).exp(), normal("size", 20, 3).exp()
    of_signs, of_values = METHODS[f"{name}_signs"], METHODS[name]
    found = of_signs.fit(x, y, asked)
    assert torch.equal(of_signs.fit(sizes * x, y, size * asked), found)
    assert torch.equal(of_values.fit(x.sign(), y, asked.sign()), found)
    assert not torch.equal(of_values.fit(sizes * x, y, size * asked), of_values.fit(x, y, asked))


def test_equal_splits_are_chosen_alike_in_every_run():
    x, y, asked = normal("x", 30, 5, 4), normal("y", 30, 5, 1), normal("q", 30, 4)
    for method in (METHODS["regression_tree_signs"], METHODS["boosted_trees_signs"]):
        assert torch.equal(method.fit(x, y, asked), method.fit(x, y, asked))


def test_settings_are_read_without_scikit_learn():
    said = {
        name: method.model_dump() for name, method in METHODS.items() if name != "descended_network"
    }
    code = (
        "import sys, json\n"
        "from iclbench.studies.linear_attention.baselines import Baselines\n"
        "regression = {'kind': 'linear', 'dim': 2}\n"
        "methods = json.loads(sys.argv[1])\n"
        "Baselines(kind='garg_baselines', seeds=1, regression=regression, methods=methods)\n"
        "sys.exit('sklearn' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, json.dumps(said)], check=True)


def test_a_tree_of_signs_learns_a_stump_from_two_sides():
    """One question is answered right once both of its answers were seen."""
    prompts = DecisionTree(kind="decision_tree", dim=1, depth=1).sample(stream("stump"), 200, 6)
    x, y = torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)
    found = METHODS["regression_tree_signs"].predict(x, y)[0]
    signs = x[..., 0].sign()
    positive, negative = ((side.cumsum(1) - side.long()) > 0 for side in (signs > 0, signs < 0))
    both = positive & negative
    assert both.any()
    torch.testing.assert_close(found[both], y[both])


def baselines(**settings) -> Baselines:
    said = {
        "kind": "garg_baselines",
        "seeds": 1,
        "length": 9,
        "prompts": 30,
        "methods": METHODS,
        "regression": TREE.model_dump(),
    }
    return Baselines.model_validate(said | settings)


def test_chosen_positions_are_some_of_all():
    tables = []
    for positions in (None, (0, 3, 8)):
        measured = baselines(positions=positions).measure(("root",), LABELS)
        rows = pd.concat(measured, ignore_index=True)
        rows = rows[rows["metric"] == "normalised_error"]
        tables.append(rows.set_index(["method", "position"])["value"].astype(float).sort_index())
    every, some = tables
    assert set(some.index.get_level_values("position")) == {0, 3, 8}
    pd.testing.assert_series_equal(some, every.loc[some.index])


def test_positions_end_before_the_prompt():
    with pytest.raises(ValidationError, match="end below it"):
        baselines(positions=(2, 9))


def test_the_law_of_least_squares_is_that_of_the_chosen_positions():
    methods = {"ols": {"kind": "least_squares"}}
    linear = {"kind": "linear", "dim": 6}
    measured = baselines(methods=methods, regression=linear, positions=(1, 4, 8), prompts=900)
    rows = pd.concat(measured.measure(("root",), LABELS), ignore_index=True)
    law = rows[rows["method"] == "closed_form"].set_index("position")["value"].astype(float)
    np.testing.assert_allclose(law.to_numpy(), [5 / 6, 1 / 3, 0])
    scores = rows[rows["metric"] == "z_score"]
    assert scores["position"].dropna().tolist() == [1, 4]
    assert (scores["value"] < 4).all()

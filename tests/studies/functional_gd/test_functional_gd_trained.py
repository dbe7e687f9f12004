"""Trained models: an optimum known in closed form, the rows they make, and distances to cI."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import ttest_rel

from iclbench.studies.functional_gd import trained
from iclbench.studies.functional_gd.distances import distances
from iclbench.studies.functional_gd.trained import TrainedGrid

LABELS = {"study": "functional_gd", "task": "m", "scale": "smoke", "config": "c", "code": "d"}
SHORT = {
    "steps": 6,
    "batch": 8,
    "learning_rate": 1e-2,
    "schedule": "constant",
    "gradient_clip": 1.0,
    "positions": "last",
}


def grid(**options):
    given = {"kind": "functional_gd_trained", "seeds": 2, "kernel": {"kind": "linear"}}
    given |= {"prompts": 50, "training": SHORT, "grids": [{"attentions": [["linear"]]}]}
    given |= options
    given["grids"] = [{"pairs": [3], "depths": [2]} | each for each in given["grids"]]
    return TrainedGrid.model_validate(given)


def rows_of(measurement, name="m"):
    return pd.concat(measurement.measure(("functional_gd", name), LABELS), ignore_index=True)


def values(rows, metric, **filters):
    chosen = rows["metric"] == metric
    for column, wanted in filters.items():
        chosen &= rows[column] == wanted
    assert chosen.any()
    return rows.loc[chosen].sort_values("seed")["value"].to_numpy(dtype=float)


@pytest.fixture(scope="module")
def rows():
    grids = [
        {"attentions": [["linear"], ["softmax"], ["linear", "exponential"]], "pairs": [2, 3]},
        {"attentions": [["linear"]], "values": ["block"]},
    ]
    return rows_of(grid(grids=grids, observed=[0, 6]))


def test_one_layer_of_linear_attention_learns_the_best_multiple_of_the_gram_matrix():
    """With Sigma = I its best prediction is c sum_i y_i <x_i, x>, of loss (d - 1) / (d + n - 1).

    E y^2 = 1, E y p = c n / d and E p^2 = c^2 (n + n (n - 1) / d) / d, over w ~ N(0, I).
    """
    d, n = 2, 6
    training = SHORT | {"steps": 250, "batch": 128, "learning_rate": 3e-2, "schedule": "cosine"}
    found = rows_of(
        grid(
            spectrum=(1.0,) * d,
            grids=[{"attentions": [["linear"]], "pairs": [n], "depths": [1]}],
            training=training,
            prompts=5000,
        )
    )
    best = (d - 1) / (d + n - 1)
    loss = values(found, "loss", method="linear")
    assert loss == pytest.approx(np.full(2, best), rel=0.08)
    assert values(found, "sampled_loss", method="linear") == pytest.approx(loss, rel=0.08)


def drawn_and_predicted(monkeypatch, measurement, predict=trained._predictions):
    """Return the rows, the prompts of each seed and what was predicted for their queries."""
    seen = []

    def predictions(model, state, held):
        found = predict(model, state, held)
        seen.append((held, found))
        return found

    monkeypatch.setattr(trained, "_predictions", predictions)
    rows = rows_of(measurement)
    ((held, found),) = seen
    return rows, held, found


def test_the_loss_to_bayes_is_that_of_a_test_on_the_prompts(monkeypatch):
    """Given n < d pairs, a linear label's variance is the square of what x has outside their span.

    That is of the Gaussian process with the kernel <x, x'>.
    """
    rows, held, found = drawn_and_predicted(monkeypatch, grid(prompts=400))
    expected, excess = [], []
    for each, guesses in zip(held, found, strict=True):
        outside, bayes = np.empty(400), np.empty(400)
        for at, (x, y) in enumerate(zip(each.inputs, each.outputs, strict=True)):
            weights = np.linalg.lstsq(x[:-1].T, x[-1], rcond=None)[0]
            outside[at] = np.sum((x[-1] - weights @ x[:-1]) ** 2)
            bayes[at] = weights @ y[:-1, 0]
        squares = (guesses - each.outputs[:, -1, 0]) ** 2
        expected.append(ttest_rel(squares, outside).statistic)
        excess.append(np.mean((guesses - bayes) ** 2))
    assert min(expected) > 3
    np.testing.assert_allclose(values(rows, "loss_to_bayes"), expected, rtol=1e-5)
    np.testing.assert_allclose(values(rows, "excess"), excess, rtol=1e-5)


def test_the_bayes_predictor_is_at_its_loss_and_one_that_knows_more_is_below(monkeypatch):
    def loss_to_bayes(predict):
        measurement = grid(prompts=400, seeds=4, training=SHORT | {"steps": 1})
        rows, _, _ = drawn_and_predicted(
            monkeypatch, measurement, lambda _, __, held: np.stack([predict(each) for each in held])
        )
        return values(rows, "loss_to_bayes")

    def knowing(each):
        return (each.bayes + each.outputs[:, -1, 0]) / 2

    assert np.abs(loss_to_bayes(lambda each: each.bayes)).max() < 4
    assert loss_to_bayes(knowing).max() < -3
    assert loss_to_bayes(lambda each: -each.bayes).min() > 3


def test_models_are_named_by_their_heads_and_by_their_value_matrix(rows):
    own = rows[rows["family"] == "trained"]
    assert set(own["method"]) == {"linear", "softmax", "linear_exponential", "linear_full"}
    at = own.groupby("method")["position"].agg(set)
    assert at["linear"] == {2, 3}
    assert at["linear_full"] == {3}
    assert set(rows.loc[rows["method"] == "bayes", "position"]) == {2, 3}


def test_only_layers_whose_writing_is_read_have_a_value_distance(rows):
    own = rows[rows["metric"] == "value_distance"]
    assert set(own["method"]) == {"linear_full"}
    assert set(own["reference_iterate"]) == {1}
    products = rows[rows["metric"] == "product_distance"]
    assert set(products["reference_iterate"]) == {1, 2}
    assert set(products["iterate"]) == {0, 6}


def test_a_model_does_not_depend_on_what_else_is_trained(rows):
    alone = rows_of(grid(grids=[{"attentions": [["softmax"]]}]))
    expected = values(rows, "loss", method="softmax", position=3)
    np.testing.assert_allclose(values(alone, "loss", method="softmax"), expected, rtol=1e-5)


def test_a_grid_has_a_learning_rate_of_its_own(rows):
    def loss(**options):
        found = rows_of(grid(**options))
        return values(found, "loss", method="linear")

    own = loss(grids=[{"attentions": [["linear"]], "learning_rate": 0.1}])
    given = loss(training=SHORT | {"learning_rate": 0.1})
    np.testing.assert_array_equal(own, given)
    assert (own != values(rows, "loss", method="linear", position=3)).all()


def test_multiples_of_the_identity_are_at_distance_zero_and_random_matrices_are_not():
    rng = np.random.default_rng(0)
    M = rng.standard_normal((3, 2, 4, 4))
    roots = M[:, 0] @ M[:, 0].mT + np.eye(4)
    inverse = np.linalg.inv(roots)
    turned = np.linalg.qr(rng.standard_normal((3, 4, 4)))[0]
    B, C, A = turned @ inverse, 0.7 * turned @ inverse, -0.2 * np.tile(np.eye(4), (3, 1, 1))
    last = dict.fromkeys(("key", "query", "value_inputs"), M)
    first = {"key": B[:, None], "query": C[:, None], "value_inputs": A[:, None]}
    state = {
        f"blocks.{at}.{name}": torch.from_numpy(np.array(part))
        for at, parts in enumerate((first, last))
        for name, part in parts.items()
    }
    found = {
        (metric, layer): value
        for metric, layer, value in distances(state, 2, torch.from_numpy(roots))
    }
    assert set(found) == {("product_distance", 1), ("value_distance", 1), ("product_distance", 2)}
    assert found["product_distance", 1].max() < 1e-12
    assert found["value_distance", 1].max() < 1e-12
    product = roots[0] @ M[0, 0].T @ M[0, 0] @ roots[0]
    cosine = np.trace(product) / 2 / np.linalg.norm(product)
    other = roots[0] @ M[0, 1].T @ M[0, 1] @ roots[0]
    second = np.trace(other) / 2 / np.linalg.norm(other)
    expected = (np.sqrt(1 - cosine**2) + np.sqrt(1 - second**2)) / 2
    assert found["product_distance", 2][0] == pytest.approx(expected)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValidationError, match=r"training\.positions: .* give last"):
        grid(training={key: value for key, value in SHORT.items() if key != "positions"})
    with pytest.raises(ValidationError, match=r"step 7 is beyond training\.steps \(6\)"):
        grid(observed=[0, 7])
    with pytest.raises(ValidationError, match="given twice"):
        grid(grids=[{"attentions": [["linear"]]}, {"attentions": [["relu"], ["linear"]]}])
    with pytest.raises(ValidationError, match="learning_rate"):
        grid(grids=[{"attentions": [["linear"]], "learning_rate": 0}])

"""Linear self-attention, gradient descent and GD++: one another's special cases, and what is
measured of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from iclbench.solvers.gradient_descent import GradientDescent
from iclbench.streams import stream
from iclbench.studies.linear_attention.comparison import (
    Answers,
    answers_of_descent,
    answers_of_networks,
    compared,
    prompts_of,
)
from iclbench.studies.linear_attention.descent import (
    Constants,
    best_constants,
    best_step,
    last_predictions,
    loss_of_constants,
)
from iclbench.studies.linear_attention.trained import LinearSelfAttention, Network
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.ensembles import predictions_of

LABELS = {
    "study": "linear_attention",
    "task": "layers",
    "scale": "smoke",
    "config": "c",
    "code": "d",
}
LAW = LinearRegression(kind="linear", dim=4, inputs="uniform", width=2.0)


def network(layers: int, **training) -> Network:
    plan = {"positions": "last", "steps": 12, "batch": 16, "learning_rate": 1e-2}
    return Network.model_validate({"layers": layers, "training": plan | training})


def constructed(layers: int, constants: Constants, w: torch.Tensor | None = None):
    """Return the weights with which linear self-attention does steps of GD++.

    Queries and keys are x; the value takes eta (y - <w, x>) from labels, gamma x from inputs.
    """
    select = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    select[0, 0, :4, :4] = torch.eye(4, dtype=torch.float64)
    value = torch.zeros_like(select)
    value[0, 0, :4, :4] = -constants.gamma * torch.eye(4, dtype=torch.float64)
    value[0, 0, 4, 4] = -constants.eta
    if w is not None:
        value[0, 0, 4, :4] = constants.eta * w
    each = {"query": select, "key": select.clone(), "value": value}
    return {
        f"blocks.{layer}.{name}": part for layer in range(layers) for name, part in each.items()
    }


def prompts(count: int, length: int, *names: str):
    return prompts_of(LAW, stream(*names), count, length)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_descent_is_the_solver_s(steps):
    x, y = prompts(30, 9, "solver")
    solver = GradientDescent(kind="gradient_descent", step=0.11, iterations=(steps,))
    expected = solver.predict(x, y)[0, :, -1, 0]
    found = last_predictions(x, y, steps, Constants(0.11))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.05])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_layers_with_the_constructed_weights_are_steps(layers, gamma):
    """Each step to the rounding of float64; without gamma the construction of von Oswald et al."""
    x, y = prompts(20, 8, "construction")
    constants = Constants(0.1, gamma)
    model = network(layers).model
    state = constructed(layers, constants)
    assert set(state) == set(model.build(4, 1, 8).state_dict())
    every = predictions_of(model, 4, 1, 8)(state, x[None], y[None])[0, :, :, -1, 0]
    for steps in range(1, layers + 1):
        expected = last_predictions(x, y, steps, constants)
        torch.testing.assert_close(every[steps - 1], expected, rtol=1e-12, atol=1e-12)
    alone = predictions_of(model, 4, 1, 8, last=True)(state, x[None], y[None])[0, -1, :, 0, 0]
    torch.testing.assert_close(alone, every[-1], rtol=1e-12, atol=1e-12)


def test_a_layer_takes_the_gradient_at_any_weights():
    """W_V = [[0, 0], [w_0, -1]] gives the change of a gradient step from w_0."""
    x, y = prompts(20, 8, "elsewhere")
    w = torch.tensor([0.3, -1.0, 2.0, 0.5], dtype=torch.float64)
    state = constructed(1, Constants(0.1), w)
    found = predictions_of(network(1).model, 4, 1, 8)(state, x[None], y[None])[0, 0, :, -1, 0]
    point = w.clone().requires_grad_()
    pairs, query = x[:, :-1], x[:, -1]
    loss = ((pairs @ point - y[:, :-1, 0]) ** 2).sum(1) / 2
    for prompt in range(20):
        (gradient,) = torch.autograd.grad(loss[prompt], point, retain_graph=True)
        assert found[prompt].item() == pytest.approx((-0.1 * gradient @ query[prompt]).item())


def test_the_query_is_no_key_and_its_label_is_not_seen():
    x, y = prompts(6, 8, "query")
    model = network(2).model
    state = model.build(4, 1, 8).double().state_dict()
    other = y.clone()
    other[:, -1] = 7.0
    first, second = (answers_of_networks(state, model, x[None], each[None]) for each in (y, other))
    np.testing.assert_array_equal(first.predictions, second.predictions)
    # A prompt whose pairs have no labels but 0, and no inputs, leaves nothing to attend to.
    bare = torch.zeros_like(x)
    bare[:, -1] = x[:, -1]
    nothing = answers_of_networks(state, model, bare[None], torch.zeros_like(y)[None])
    np.testing.assert_array_equal(nothing.predictions, 0)


def loss(x, y, steps, constants):
    return (last_predictions(x, y, steps, constants) - y[:, -1, 0]).square().mean().item()


@pytest.mark.parametrize("pairs", [2, 6])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_loss_in_the_eigenbasis_is_that_of_the_predictions(steps, pairs):
    """With fewer pairs than dimensions, too, where some eigenvalues are 0."""
    x, y = prompts(50, pairs + 1, "eigenbasis")
    found = loss_of_constants(x, y, steps)
    for constants in (Constants(0.1), Constants(0.3, 0.05), Constants(2.0, -0.4)):
        assert found(constants) == pytest.approx(loss(x, y, steps, constants), rel=1e-10)


@pytest.mark.parametrize("steps", [1, 3])
def test_constants_are_the_best(steps):
    x, y = prompts(400, 7, "best")
    step = best_step(x, y, steps)
    least = loss(x, y, steps, step)
    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 1.5):
        assert loss(x, y, steps, Constants(factor * step.eta)) > least
    both = best_constants(x, y, steps)
    gain = least - loss(x, y, steps, both)
    assert both == step if steps == 1 else gain > 0.1 * least


def test_the_best_single_step_is_the_closed_form():
    """eta* = E[g y] / E[g^2], g the prediction of the step 1, as the loss is quadratic in eta."""
    x, y = prompts(500, 7, "closed")
    g = last_predictions(x, y, 1, Constants(1.0))
    expected = (g @ y[:, -1, 0]) / (g @ g)
    assert best_step(x, y, 1).eta == pytest.approx(expected.item(), rel=1e-4)


def test_sensitivities_are_derivatives():
    x, y = prompts(5, 6, "sensitive")
    found = answers_of_descent(x[None], y[None], 2, Constants(0.1, 0.02))
    for axis in range(4):
        change = torch.zeros_like(x)
        change[:, -1, axis] = 1e-6
        high, low = (
            last_predictions(x + sign * change, y, 2, Constants(0.1, 0.02)) for sign in (1, -1)
        )
        np.testing.assert_allclose(found.gradients[0, :, axis], (high - low) / 2e-6, rtol=1e-6)


def test_comparison():
    one = Answers(np.array([[1.0, 2.0, 0.0]]), np.array([[[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]))
    two = Answers(np.array([[0.0, 2.5, 0.0]]), np.array([[[0.0, 3.0], [2.0, 2.0], [1.0, 1.0]]]))
    found = compared(one, two)
    np.testing.assert_allclose(found.distance, [[1.0, 0.5, 0.0]])
    np.testing.assert_allclose(found.cosine, [[0.0, 1.0, 0.0]], atol=1e-15)


def measurement(**settings) -> LinearSelfAttention:
    given = {
        "kind": "linear_self_attention",
        "seeds": 2,
        "regression": LAW,
        "pairs": 5,
        "networks": {"one": network(1), "two": network(2)},
        "fitted": 64,
        "tested": 40,
        "probe": 10,
        "looks": 4,
    }
    return LinearSelfAttention.model_validate(given | settings)


def rows_of(measured: LinearSelfAttention) -> pd.DataFrame:
    return pd.concat(measured.measure(("root", "layers"), LABELS), ignore_index=True)


def test_a_measurement_repeats_bit_for_bit_and_says_the_same_twice():
    rows = rows_of(measurement())
    pd.testing.assert_frame_equal(rows, rows_of(measurement()))
    assert rows["status"].eq("ok").all()
    ratios = rows[(rows["metric"] == "loss_ratio") & (rows["method"] == "two")]
    losses = rows[rows["metric"] == "loss"].set_index(["method", "iterate", "seed"])["value"]
    for row in ratios.itertuples():
        expected = losses["two", 2, row.seed] / losses[row.reference, 2, row.seed]
        assert row.value == pytest.approx(expected)
    steps = rows.loc[rows["metric"] == "cosine_in_training", "reference_iterate"]
    assert set(steps) >= {0, 12}


def test_the_last_look_is_at_what_is_tested():
    """With as many probes as tests, the two are computed on the same prompts and parameters."""
    rows = rows_of(measurement(probe=40))
    for last, tested in (
        ("distance_in_training", "prediction_distance"),
        ("cosine_in_training", "sensitivity_cosine"),
    ):
        ended = rows[(rows["metric"] == last) & (rows["reference_iterate"] == 12)]
        found = rows[(rows["metric"] == tested) & (rows["reference"] == "gd")]
        np.testing.assert_allclose(ended["value"], found["value"], rtol=1e-12)


def test_one_layer_learns_one_gradient_step():
    """In two dimensions a few hundred steps of training come near the gradient step's loss."""
    law = LinearRegression(kind="linear", dim=2, inputs="uniform", width=2.0)
    plan = {"steps": 300, "batch": 64, "learning_rate": 3e-2, "schedule": "cosine"}
    rows = rows_of(
        measurement(
            regression=law,
            networks={"one": network(1, **plan)},
            fitted=2000,
            tested=2000,
        )
    )
    cosine = rows.loc[rows["metric"] == "sensitivity_cosine", "value"]
    ratio = rows.loc[rows["metric"] == "loss_ratio", "value"]
    assert (cosine > 0.95).all()
    assert (ratio < 1.05).all()


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValidationError, match="say positions: last"):
        network(1, positions="all")
    with pytest.raises(ValidationError, match="is a solver already"):
        measurement(networks={"gd": network(1)})

"""Linear regression on uniform inputs: their law, the power of outputs, the Bayes predictor."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from iclbench.streams import stream
from iclbench.tasks.regression.linear import LinearRegression


def uniform(**settings) -> LinearRegression:
    given = {"kind": "linear", "dim": 5, "inputs": "uniform", "width": 1.0}
    return LinearRegression.model_validate(given | settings)


@pytest.mark.parametrize("width", [1.0, 2.0, 0.3])
def test_inputs_fill_a_cube_around_zero(width):
    x = uniform(width=width).sample(stream("cube"), 400, 50).inputs.reshape(-1)
    assert np.abs(x).max() <= width / 2
    # The distribution function of a uniform law, by Kolmogorov and Smirnov at about 1e-4.
    ranks = (np.arange(x.size) + 0.5) / x.size
    assert np.abs(np.sort(x) / width + 0.5 - ranks).max() < 2.3 / x.size**0.5


@pytest.mark.parametrize("settings", [{}, {"noise": 0.5}, {"nonzeros": 2}, {"width": 2.0}])
def test_the_power_of_outputs(settings):
    task = uniform(**settings)
    squares = (task.sample(stream("power"), 6000, 4).outputs[..., 0] ** 2).mean(1)
    stderr = squares.std(ddof=1) / len(squares) ** 0.5
    assert abs(squares.mean() - task.output_power) <= 4 * stderr


def test_the_width_scales_the_same_prompts():
    one, two = (uniform(width=width).sample(stream("width"), 3, 4) for width in (1.0, 2.0))
    np.testing.assert_allclose(two.inputs, 2 * one.inputs)
    np.testing.assert_allclose(two.outputs, 2 * one.outputs)


def test_the_law_of_inputs_changes_neither_weights_nor_normal_prompts():
    normal = LinearRegression(kind="linear", dim=5)
    first, second = (task.sample(stream("w"), 3, 4) for task in (normal, uniform()))
    np.testing.assert_array_equal(first.truth["w"], second.truth["w"])


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_no_estimator_of_the_weights_beats_bayes(noise):
    """Ridge regression with another penalty, on the same prompts, has a larger error."""
    task = uniform(noise=noise)
    prompts = task.sample(stream("bayes"), 3000, 9)
    x, y, t = prompts.inputs, prompts.outputs, 6
    seen, labels = x[:, :t], y[:, :t]

    def errors(penalty: float) -> np.ndarray:
        moments = seen.mT @ seen + penalty * np.eye(5)
        weights = np.linalg.solve(moments, seen.mT @ labels)[..., 0]
        return ((weights * x[:, t]).sum(-1) - y[:, t, 0]) ** 2

    found = task.bayes(prompts)
    assert found is not None
    bayes = (found[:, t, 0] - y[:, t, 0]) ** 2
    if noise:
        np.testing.assert_allclose(bayes, errors(noise**2), rtol=1e-8, atol=1e-12)
    else:
        assert bayes.max() < 1e-10
    for penalty in (0.05, 2.0):
        gain = errors(penalty) - bayes
        assert gain.mean() > 2 * gain.std(ddof=1) / len(gain) ** 0.5


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValidationError, match="give both or neither"):
        uniform(width=None)
    with pytest.raises(ValidationError, match="give both or neither"):
        uniform(inputs="normal")
    with pytest.raises(ValidationError, match="leave one of them out"):
        uniform(condition=4.0)

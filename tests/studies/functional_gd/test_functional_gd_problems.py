"""Processes that remember their prompts, and prompts held out with what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from iclbench.kernels.named import inner_product_kernel
from iclbench.streams import stream
from iclbench.studies.functional_gd import problems
from iclbench.studies.functional_gd.descents import composite
from iclbench.studies.functional_gd.problems import SPECTRUM, held_out, process
from iclbench.tasks.regression.gaussian_process import GaussianProcess


def test_prompts_are_those_of_the_process_drawn_once():
    kernel = inner_product_kernel("relu")
    task = process(kernel, SPECTRUM, 3)
    first, again = (task.sample(stream("a"), 4, 6) for _ in range(2))
    assert again is first
    plain = GaussianProcess(
        kind="gaussian_process", kernel=kernel, spectrum=SPECTRUM, covariance_seed=3
    )
    expected = plain.sample(stream("a"), 4, 6)
    np.testing.assert_array_equal(first.inputs, expected.inputs)
    np.testing.assert_array_equal(first.outputs, expected.outputs)


def test_other_streams_and_sizes_are_other_prompts():
    task = process(inner_product_kernel("linear"), SPECTRUM, 0)
    first = task.sample(stream("a"), 4, 6)
    assert not np.array_equal(task.sample(stream("b"), 4, 6).inputs, first.inputs)
    assert task.sample(stream("a"), 3, 6).inputs.shape == (3, 6, 5)
    assert task.sample(stream("a"), 4, 7).inputs.shape == (4, 7, 5)


@pytest.mark.parametrize(
    "kernel", [inner_product_kernel("linear"), inner_product_kernel("relu"), composite(5)]
)
def test_steps_drawn_ahead_are_those_of_the_process(kernel):
    task = process(kernel, SPECTRUM, 1, whitened=True)
    plain = GaussianProcess(
        kind="gaussian_process",
        kernel=kernel,
        spectrum=SPECTRUM,
        covariance_seed=1,
        whitened=True,
    )
    for step in (0, 1, 5, 3, 2000, 1):
        found = task.sample(stream("a", step=step), 64, 4)
        expected = plain.sample(stream("a", step=step), 64, 4)
        np.testing.assert_allclose(found.inputs, expected.inputs, rtol=1e-13)
        np.testing.assert_allclose(found.outputs, expected.outputs, rtol=1e-9, atol=1e-12)


def test_a_generator_that_was_drawn_from_is_no_step():
    rng = stream("a")
    rng.random(8)
    with pytest.raises(ValueError, match="hand in one that nothing was drawn from"):
        process(inner_product_kernel("linear"), SPECTRUM, 0).sample(rng, 4, 6)


def test_what_is_remembered_is_bounded(monkeypatch):
    task = process(inner_product_kernel("linear"), SPECTRUM, 0)
    monkeypatch.setattr(problems, "AHEAD", 4)
    monkeypatch.setattr(problems, "REMEMBERED", 2 * 8 * 4 * 6 * 6)
    first, second, third = (task.sample(stream(name), 4, 6) for name in "abc")
    assert task.sample(stream("c"), 4, 6) is third
    again = task.sample(stream("a"), 4, 6)
    assert again is not first
    np.testing.assert_array_equal(again.outputs, first.outputs)
    assert task.sample(stream("c"), 4, 6) is third
    assert task.sample(stream("b"), 4, 6) is not second


def test_processes_of_seeds_differ_in_their_basis_alone():
    roots = [
        process(inner_product_kernel("linear"), SPECTRUM, seed).covariance_root for seed in (0, 1)
    ]
    assert np.abs(roots[0] - roots[1]).max() > 0.1
    for root in roots:
        np.testing.assert_allclose(np.linalg.eigvalsh(root @ root), sorted(SPECTRUM))


@pytest.mark.parametrize("kernel", [inner_product_kernel("exponential"), composite(5)])
def test_held_out_prompts_know_the_posterior_of_their_query(kernel):
    """Its mean k^T K^{-1} y and variance kappa - k^T K^{-1} k, by solving."""
    task = process(kernel, SPECTRUM, 1)
    held = held_out(task, ("test",), 20, 4)
    gram = task.gram(held.inputs)
    K, k = gram[:, :-1, :-1], gram[:, :-1, -1:]
    weights = np.linalg.solve(K, k)[..., 0]
    mean = np.einsum("bs,bs->b", weights, held.outputs[:, :-1, 0])
    np.testing.assert_allclose(held.bayes, mean, rtol=1e-7, atol=1e-9)
    variance = gram[:, -1, -1] - np.einsum("bs,bs->b", weights, k[..., 0])
    np.testing.assert_allclose(held.variance, variance, rtol=1e-7, atol=1e-10)


def test_errors_of_the_bayes_prediction_have_the_stated_variance():
    held = held_out(process(inner_product_kernel("relu"), SPECTRUM, 0), ("test",), 4000, 4)
    scores = (held.outputs[:, -1, 0] - held.bayes) / np.sqrt(held.variance)
    assert scores.mean() == pytest.approx(0, abs=4 / np.sqrt(4000))
    assert np.mean(scores**2) == pytest.approx(1, abs=4 * np.sqrt(2 / 4000))

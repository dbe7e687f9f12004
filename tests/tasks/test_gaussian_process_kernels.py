"""Sums of kernels, and kernels of whitened inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from iclbench.kernels.named import inner_product_kernel
from iclbench.kernels.sums import KernelSum
from iclbench.streams import stream
from iclbench.tasks.regression.gaussian_process import GaussianProcess

TERMS = [
    {"kernel": {"kind": "linear"}, "weight": 0.5, "coordinates": [1, 1, 0, 0, 0]},
    {
        "kernel": {"kind": "exponential", "scale": 0.5},
        "weight": 0.25,
        "coordinates": [0, 0, 1, 2, 1],
    },
]


def process(kernel, **options):
    return GaussianProcess.model_validate(
        {"kind": "gaussian_process", "kernel": kernel, "spectrum": (1, 1, 0.25, 2.25, 1), **options}
    )


def points(*shape):
    return stream("test", "points").standard_normal(shape)


def test_a_sum_is_the_sum_of_its_kernels_of_their_coordinates():
    u, v = points(6, 5), points(4, 5)[::-1].copy()
    found = KernelSum.model_validate({"kind": "sum", "terms": TERMS}).gram(
        *map(torch.tensor, (u, v))
    )
    G = np.diag([0, 0, 1, 2, 1.0])
    expected = 0.5 * u[:, :2] @ v[:, :2].T + 0.25 * np.exp(0.5 * (u @ G) @ (v @ G).T)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)


def test_a_diagonal_is_that_of_the_gram_matrix():
    kernel = KernelSum.model_validate({"kind": "sum", "terms": TERMS})
    u = torch.tensor(points(7, 5))
    torch.testing.assert_close(kernel.diagonal(u), kernel.gram(u, u).diagonal())


def test_the_task_and_the_kernel_agree_on_the_gram_matrix():
    inputs = points(3, 8, 5)
    kernel = KernelSum.model_validate({"kind": "sum", "terms": TERMS})
    expected = kernel.gram(torch.tensor(inputs), torch.tensor(inputs)).numpy()
    np.testing.assert_allclose(process(kernel).gram(inputs), expected, rtol=1e-13)


@pytest.mark.parametrize("kind", ["linear", "relu", "exponential"])
def test_a_sum_of_one_kernel_is_that_kernel(kind):
    alone = process({"kind": kind})
    term = {"kernel": {"kind": kind}}
    summed = process({"kind": "sum", "terms": [term]})
    one, other = (task.sample(stream("test"), 4, 7) for task in (alone, summed))
    np.testing.assert_allclose(one.outputs, other.outputs, rtol=1e-9, atol=1e-9)


def test_labels_covary_by_the_sum():
    task = process({"kind": "sum", "terms": TERMS})
    inputs = np.tile(task.sample(stream("test", "x"), 1, 4).inputs, (20_000, 1, 1))
    weights, variances = task.conditionals(inputs)
    labels = np.sqrt(variances) * stream("test", "labels").standard_normal(variances.shape)
    for t in range(4):
        labels[:, t] += np.einsum("bs,bs->b", weights[:, t, :t], labels[:, :t])
    gram = task.gram(inputs[:1])[0]
    assert np.abs(labels.T @ labels / len(labels) - gram).max() < 0.05 * gram.max()


@pytest.mark.parametrize("kind", ["linear", "relu", "exponential"])
def test_whitened_labels_covary_by_the_kernel_of_points_on_the_sphere(kind):
    task = process({"kind": kind}, whitened=True, covariance_seed=3)
    inputs = task.sample(stream("test"), 5, 6).inputs
    xi = inputs @ np.linalg.inv(task.covariance_root)
    np.testing.assert_allclose(np.linalg.norm(xi, axis=-1), 1)
    expected = inner_product_kernel(kind).gram(torch.tensor(xi), torch.tensor(xi))
    np.testing.assert_allclose(task.gram(inputs), expected.numpy(), atol=1e-12)


def test_whitened_linear_labels_have_the_stated_power():
    task = process({"kind": "linear", "scale": 2.0}, whitened=True)
    outputs = task.sample(stream("test"), 20_000, 3).outputs
    assert task.output_power == 2.0
    assert np.mean(outputs**2) == pytest.approx(2.0, rel=0.03)


def test_wrong_coordinates_are_named():
    term = {"kernel": {"kind": "linear"}, "coordinates": [1, 1]}
    with pytest.raises(ValidationError, match="2 numbers for inputs of dimension 5"):
        process({"kind": "sum", "terms": [term]})
    kernel = KernelSum.model_validate({"kind": "sum", "terms": [term]})
    with pytest.raises(ValueError, match="2 numbers for inputs of dimension 3"):
        kernel.gram(torch.zeros(1, 3), torch.zeros(1, 3))


def test_labels_that_overflow_are_refused():
    term = {"kernel": {"kind": "exponential", "scale": 5.0}, "coordinates": [1, 1, 1, 9, 1]}
    with pytest.raises(ValidationError, match=r"kernel\.scale: 5\.0"):
        process({"kind": "sum", "terms": [term]})

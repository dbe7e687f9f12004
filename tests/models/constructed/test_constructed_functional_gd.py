from __future__ import annotations

import pytest
import torch

from iclbench.kernels.named import inner_product_kernel
from iclbench.models.constructed.functional_gd import FunctionalGD


def prompts(batch=4, time=9, p=5, q=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randn(batch, time, p, generator=rng, dtype=torch.float64)
    outputs = torch.randn(batch, time, q, generator=rng, dtype=torch.float64)
    return inputs / inputs.norm(dim=-1, keepdim=True), outputs


def model(*heads, **rest):
    return FunctionalGD(kind="functional_gd", heads=heads, **rest)


def descend(kernel, x, y, eta, steps):
    """Coefficients c of f = sum_i c_i kappa(., x_i) after each step of functional GD."""
    c = torch.zeros_like(y)
    gram = kernel(x, x)
    for _ in range(steps):
        c = c - eta * (gram @ c - y)
        yield c


def softmax_kernel(left, right):
    return (left @ right.mT).softmax(-1)


@pytest.mark.parametrize("kind", ["linear", "relu", "exponential", "softmax"])
def test_layers_are_steps_of_functional_gradient_descent(kind):
    x, y = prompts()
    kernel = softmax_kernel if kind == "softmax" else inner_product_kernel(kind).gram
    depths = tuple(range(1, 9))
    predicted = model({"attention": {"kind": kind}}, step=0.2, depths=depths).predict(x, y)
    for b in range(4):
        for t in range(1, 9):
            context, query = x[b, :t], x[b, t : t + 1]
            for layer, c in enumerate(descend(kernel, context, y[b, :t], 0.2, 8)):
                expected = kernel(query, context) @ c
                assert (predicted[layer, b, t] - expected[0]).abs().max() < 1e-10


@pytest.mark.parametrize("eta", [0.03, 0.1])
def test_linear_layers_are_gradient_descent_on_weights(eta):
    x, y = prompts()
    predicted = model({"attention": {"kind": "linear"}}, step=eta, depths=(1, 2, 3, 4, 5))
    predicted = predicted.predict(x, y)
    for t in range(9):
        W = torch.zeros(4, 5, 2, dtype=torch.float64)
        X, Y = x[:, :t], y[:, :t]
        for layer in range(5):
            W = W - eta * X.mT @ (X @ W - Y)
            expected = (x[:, t : t + 1] @ W).squeeze(1)
            assert (predicted[layer, :, t] - expected).abs().max() < 1e-10


def test_two_heads_descend_in_the_sum_of_their_kernels():
    x, y = prompts()
    G1 = torch.diag(torch.tensor([1, 1, 0, 0, 0], dtype=torch.float64))
    G2 = torch.diag(torch.tensor([0, 0, 1, 1, 1], dtype=torch.float64))
    linear, exponential = (
        inner_product_kernel("linear"),
        inner_product_kernel("exponential", scale=0.5),
    )

    def kernel(left, right):
        return 0.3 * linear.gram(left @ G1, right @ G1) + 0.7 * exponential.gram(
            left @ G2, right @ G2
        )

    predicted = model(
        {"attention": {"kind": "linear"}, "weight": 0.3, "coordinates": [1, 1, 0, 0, 0]},
        {
            "attention": {"kind": "exponential", "scale": 0.5},
            "weight": 0.7,
            "coordinates": [0, 0, 1, 1, 1],
        },
        step=0.2,
        depths=(1, 2, 3, 4),
    ).predict(x, y)
    for t in range(1, 9):
        for layer, c in enumerate(descend(kernel, x[0, :t], y[0, :t], 0.2, 4)):
            expected = kernel(x[0, t : t + 1], x[0, :t]) @ c
            assert (predicted[layer, 0, t] - expected[0]).abs().max() < 1e-10


def test_a_matching_kernel_reaches_the_posterior_mean_with_depth():
    x, y = prompts(batch=2, time=5, q=1)
    kernel = inner_product_kernel("exponential")
    gram = kernel.gram(x[:, :4], x[:, :4])
    exact = kernel.gram(x[:, 4:], x[:, :4]) @ torch.linalg.solve(gram, y[:, :4])
    step = 1 / torch.linalg.eigvalsh(gram).max().item()
    layers = model({"attention": {"kind": "exponential"}}, step=step, depths=(10, 100, 1000, 4000))
    error = (layers.predict(x, y)[:, :, 4] - exact[:, 0]).abs().amax((1, 2))
    assert (error.diff()[:2] < 0).all()
    assert error[2] < 1e-3
    assert error[3] < 1e-9


@pytest.mark.parametrize("kind", ["linear", "exponential", "softmax"])
@pytest.mark.parametrize("norm", [0.3, 1.0, 4.0])
def test_the_stable_step_never_diverges(kind, norm):
    x, y = prompts()
    layers = model({"attention": {"kind": kind, "scale": 0.5}}, depths=(500, 1000))
    predicted = layers.predict(norm * x, y)
    assert predicted.isfinite().all()
    assert predicted[1].abs().max() < 2 * predicted[0].abs().max() + 1


def test_the_stable_step_is_below_the_inverse_of_the_largest_eigenvalue():
    x, y = prompts()
    one = model({"attention": {"kind": "linear"}}, depths=(1,)).predict(x, y)
    unit = model({"attention": {"kind": "linear"}}, depths=(1,), step=1.0).predict(x, y)
    for t in range(1, 9):
        bound = 1 / torch.linalg.eigvalsh(x[:, :t] @ x[:, :t].mT)[:, -1]
        step = (one[0, :, t] / unit[0, :, t])[:, 0]
        assert (step <= bound + 1e-12).all()
        assert (step > bound / t**0.5 - 1e-12).all()


def test_coordinates_of_another_dimension_are_refused():
    x, y = prompts()
    layers = model({"attention": {"kind": "linear"}, "coordinates": [1, 1]})
    with pytest.raises(ValueError, match="2 numbers for inputs of dimension 5"):
        layers.predict(x, y)

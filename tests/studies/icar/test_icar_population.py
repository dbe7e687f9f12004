"""The exact losses of the layer without augmentation, and what minimises them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad

from iclbench.studies.icar.few_heads import FewHeads, least_loss
from iclbench.studies.icar.heads import target
from iclbench.studies.icar.losses import Losses
from iclbench.studies.icar.population import (
    loss,
    loss_and_gradients,
    loss_as_coded,
    prediction,
)
from iclbench.studies.icar.spectra import eigenvalues

LAWS = ("unitary", "orthogonal")


def draw(seed, heads=3, dim=4, length=5, rows=None):
    rng = np.random.default_rng(seed)
    rows = length - 1 if rows is None else rows
    P = np.tril(rng.normal(size=(rows, length)), length - rows)
    return rng.normal(size=(heads, dim)), rng.normal(size=(heads, dim)), P


def torch_loss(law, A, B, P):
    """The loss as an expectation over lambda, by moments of products of its powers.

    E prod_i lambda_i^{n_i} is 1 if all exponents (of each pair n_{2k} - n_{2k+1}) vanish, else 0.
    """
    C, (rows, length), dim = B.mT @ A, P.shape, A.shape[1]
    total = torch.zeros((), dtype=torch.float64)
    for row in range(rows):
        T = length - rows + 1 + row
        for i in range(dim):
            terms = {}
            for t in range(1, T + 1):
                for j in range(dim):
                    powers = [0] * dim
                    powers[i] += t - 1
                    powers[j] += t - T + 1
                    key = reduced(law, powers)
                    terms[key] = terms.get(key, 0) + P[row, t - 1] * C[i, j]
            powers = [0] * dim
            powers[i] = T
            key = reduced(law, powers)
            terms[key] = terms.get(key, 0) - 1
            total = total + sum(term**2 for term in terms.values())
    return total


def reduced(law, powers):
    if law == "unitary":
        return tuple(powers)
    return tuple(a - b for a, b in zip(powers[::2], powers[1::2], strict=True))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shape", [(3, 4, 5, 4), (1, 2, 2, 1), (2, 6, 4, 1), (5, 2, 6, 3)])
def test_loss_and_gradients_are_those_of_autograd_on_the_exact_expectation(law, shape):
    heads, dim, length, rows = shape
    parts = draw(1, heads, dim, length, rows)
    value, *gradients = loss_and_gradients(law, *parts)
    tensors = [torch.tensor(part, requires_grad=True) for part in parts]
    expected = torch_loss(law, *tensors)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    for ours, tensor, part in zip(gradients, tensors, ("A", "B", "P"), strict=True):
        theirs = tensor.grad.numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-10, err_msg=part)


@pytest.mark.parametrize("law", LAWS)
def test_gradients_agree_with_finite_differences(law):
    A, B, P = draw(2)
    kept = np.tri(*P.shape, 1, dtype=bool)

    def split(flat):
        full = np.zeros_like(P)
        full[kept] = flat[2 * A.size :]
        return flat[: A.size].reshape(A.shape), flat[A.size : 2 * A.size].reshape(A.shape), full

    def gradient(flat):
        _, by_A, by_B, by_P = loss_and_gradients(law, *split(flat))
        assert not by_P[~kept].any()
        return np.concatenate([by_A.ravel(), by_B.ravel(), by_P[kept]])

    flat = np.concatenate([A.ravel(), B.ravel(), P[kept]])
    error = check_grad(lambda x: float(loss_and_gradients(law, *split(x))[0]), gradient, flat)
    assert error < 1e-4 * np.linalg.norm(gradient(flat))


@pytest.mark.parametrize("law", LAWS)
def test_many_descents_at_once_are_the_single_ones(law):
    parts = [draw(seed) for seed in range(4)]
    batch = loss_and_gradients(law, *(np.stack(each) for each in zip(*parts, strict=True)))
    for index, part in enumerate(parts):
        for ours, alone in zip(batch, loss_and_gradients(law, *part), strict=True):
            np.testing.assert_allclose(ours[index], alone, atol=1e-11)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 4), law=st.sampled_from(LAWS))
def test_rows_of_positions_add_up(seed, rows, law):
    A, B, P = draw(seed, rows=rows)
    C = B.T @ A
    lengths = range(P.shape[1] - rows + 1, P.shape[1] + 1)
    alone = [loss(law, C, P[row : row + 1, :T]) for row, T in enumerate(lengths)]
    assert loss(law, C, P) == pytest.approx(sum(alone), rel=1e-10)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10), law=st.sampled_from(LAWS))
def test_only_the_product_of_heads_and_positions_matters(seed, scale, law):
    A, B, P = draw(seed)
    C = B.T @ A
    assert loss(law, C * scale, P / scale) == pytest.approx(loss(law, C, P), rel=1e-9)


@pytest.mark.parametrize("law", LAWS)
def test_losses_are_those_of_samples(law):
    A, B, P = draw(3, rows=1)
    C, p = B.T @ A / 4, P[0]
    drawn = eigenvalues(law, 4, np.random.default_rng(0), 40_000)
    errors = np.sum(np.abs(prediction(C, p, drawn) - drawn ** len(p)) ** 2, 1)
    stderr = errors.std() / 200
    assert abs(errors.mean() - loss(law, C, P / 1.0)) < 5 * stderr
    if law == "unitary":
        gap = loss_as_coded(C, P) - loss(law, C, P)
        assert gap == pytest.approx(np.sum(C**2) * p[-2] ** 2)


def test_the_layer_is_what_its_formula_says():
    A, B, P = draw(4, rows=1)
    p = P[0]
    length = len(p)
    drawn = eigenvalues("unitary", 4, np.random.default_rng(1), 3)
    states = np.stack([drawn**t for t in range(length + 1)], 1)
    expected = np.zeros_like(drawn)
    for t in range(length):
        for a, b in zip(A, B, strict=True):
            inner = np.sum(states[:, length - 2].conj() * a * states[:, t], -1, keepdims=True)
            expected += p[t] * inner * b * states[:, t]
    np.testing.assert_allclose(prediction(B.T @ A, p, drawn), expected)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("dim", "length"), [(2, 2), (6, 7), (10, 20)])
def test_the_targets_have_loss_zero(law, dim, length):
    scale = 0.7
    P = np.zeros((length - 1, length))
    rows = np.arange(length - 1)
    P[rows, rows + 1] = 1 / scale
    P[rows, rows] = -0.5 / scale * (law == "orthogonal")
    assert abs(loss(law, scale * target(law, dim), P)) < 1e-9


@settings(deadline=None, max_examples=25)
@given(c=st.floats(-0.9, 3), pairs=st.integers(1, 4))
def test_the_minima_under_the_orthogonal_law_are_a_curve_that_low_rank_cuts_at_one(c, pairs):
    block = np.array([[1, c], [c, 1]])
    C = np.kron(np.eye(pairs), block)
    P = np.array([[0, 0, -c / (1 + c), 1.0]])
    assert abs(loss("orthogonal", C, P)) < 1e-8 * (1 + P[0, 2] ** 2)
    assert (np.linalg.matrix_rank(C, tol=1e-9) == pairs) == (abs(c - 1) < 1e-9)


def test_the_valley_has_no_minimum():
    dim = 6
    blocks = np.kron(np.eye(dim // 2), [[1, -1], [-1, 1]])
    losses = []
    for eps in (0.1, 0.01, 0.001):
        C = blocks + eps / dim
        assert np.linalg.matrix_rank(C) == dim // 2 + 1
        losses.append(loss("orthogonal", C, np.array([[0, 0, 1 / eps, 1.0]])))
    assert losses[0] > 50 * losses[1] > 2500 * losses[2] > 0


@pytest.mark.parametrize(
    ("law", "dim", "heads"),
    [("unitary", 6, 2), ("unitary", 3, 3), ("orthogonal", 6, 2), ("orthogonal", 4, 3)],
)
def test_the_least_loss_with_few_heads(law, dim, heads):
    sizes = {"dim": dim, "heads": (heads,), "length": 4, "seeds": 1, "starts": 12}
    measured = FewHeads(kind="icar_few_heads", law=law, **sizes)
    rows = rows_of(measured)
    found = rows[(rows["metric"] == "least_loss") & (rows["family"] == "solver")]["value"]
    assert found.item() == pytest.approx(least_loss(law, dim, heads), abs=1e-4)


def test_least_losses_are_the_printed_ones():
    assert [least_loss("unitary", 6, heads) for heads in range(1, 7)] == [5, 4, 3, 2, 1, 0]
    assert [least_loss("orthogonal", 6, heads) for heads in range(1, 5)] == [4, 2, 0, 0]


def rows_of(measurement):
    import pandas as pd

    labels = {"study": "icar", "task": "m", "scale": "smoke", "config": "c", "code": "d"}
    return pd.concat(measurement.measure(("icar", "m"), labels), ignore_index=True)


def test_relative_differences_are_within_sampling_error_but_for_the_coded_formula():
    rows = rows_of(Losses(kind="icar_losses", dim=4, length=3, samples=30_000, seeds=4))
    apart = rows[rows["metric"] == "relative_difference"].set_index("method")
    exact = apart.loc[["unitary", "orthogonal"]]
    assert (exact["value"] < 5 * exact["stderr"]).all()
    coded = apart.loc["unitary_as_coded"]
    assert (coded["value"] > 5 * coded["stderr"]).any()


@pytest.mark.parametrize("heads", [1, 3])
def test_some_starts_of_ten_dimensions_reach_the_least_loss(heads):
    measured = FewHeads(kind="icar_few_heads", law="orthogonal", dim=10, heads=(heads,), seeds=2)
    rows = rows_of(measured)
    found = rows[(rows["metric"] == "least_loss") & (rows["family"] == "solver")]["value"]
    np.testing.assert_allclose(found, 10 - 2 * heads, atol=1e-4)


def test_odd_dimensions_have_no_pairs():
    with pytest.raises(ValueError, match="odd"):
        FewHeads(kind="icar_few_heads", law="orthogonal", dim=5, heads=(1,))
    with pytest.raises(ValueError, match="odd"):
        Losses(kind="icar_losses", dim=5)
    rows = rows_of(Losses(kind="icar_losses", laws=("unitary",), dim=5, samples=100, seeds=1))
    assert set(rows["method"]) == {"unitary", "unitary_as_coded"}


def test_nothing_is_listed_twice():
    with pytest.raises(ValueError, match="must ascend"):
        FewHeads(kind="icar_few_heads", law="unitary", heads=(2, 2))
    with pytest.raises(ValueError, match="listed twice"):
        Losses(kind="icar_losses", laws=("unitary", "unitary"))

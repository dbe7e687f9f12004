"""Gradient descent on heads and positions: against torch, and where it ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from iclbench.records import write
from iclbench.studies.icar.heads import Heads, target
from iclbench.studies.icar.population import loss

LABELS = {"study": "icar", "task": "m", "scale": "smoke", "config": "c", "code": "d"}


def rows_of(measurement):
    return pd.concat(measurement.measure(("icar", "m"), LABELS), ignore_index=True)


def value_of(rows, metric):
    return rows[rows["metric"] == metric].set_index("seed")["value"]


def matrix_of(rows, name):
    entries = rows[rows["metric"] == name]
    return entries.pivot(index="iterate", columns="position", values="value").to_numpy(dtype=float)


def sampled_loss(A, B, P, drawn):
    """The loss over drawn lambda, as a network would compute it; autograd does the rest."""
    C = (B.mT @ A).to(drawn.dtype)
    total = 0
    for row in range(len(P)):
        T = row + 2
        predicted = sum(
            P[row, t - 1] * drawn ** (t - 1) * (drawn ** (t - T + 1) @ C.mT)
            for t in range(1, T + 1)
        )
        total = total + (predicted - drawn**T).abs().square().sum(-1).mean()
    return total


@pytest.mark.parametrize("law", ["unitary", "orthogonal"])
def test_descent_is_torchs_on_a_grid_of_angles(law):
    """On a full grid of angles, fine enough for the powers that occur, means are expectations."""
    dim = 2 if law == "unitary" else 4
    settings = {"law": law, "dim": dim, "heads": 3, "length": 3, "step": 0.02, "iterations": 6}
    measured = Heads(kind="icar_heads", seeds=1, **settings)
    A, B, P = (torch.tensor(part[0], requires_grad=True) for part in measured.start(("icar", "m")))
    circle = torch.exp(2j * torch.pi * torch.arange(9, dtype=torch.float64) / 9)
    grid = torch.cartesian_prod(circle, circle)
    if law == "orthogonal":
        grid = torch.stack([grid, grid.conj()], -1).reshape(len(grid), dim)
    kept = torch.tril(torch.ones_like(P), 1)
    optimiser = torch.optim.SGD([A, B, P], lr=settings["step"])
    course = []
    for _ in range(settings["iterations"] + 1):
        optimiser.zero_grad()
        value = sampled_loss(A, B, P * kept, grid)
        course.append(value.item())
        ends = [part.detach().clone() for part in (A, B, P * kept)]
        value.backward()
        optimiser.step()
    rows = rows_of(measured)
    np.testing.assert_allclose(rows[rows["metric"] == "loss"]["value"], course, rtol=1e-9)
    for name, end in zip(("A", "B", "P"), ends, strict=True):
        np.testing.assert_allclose(matrix_of(rows, name), end.numpy(), atol=1e-9)


@pytest.mark.parametrize(
    ("law", "settings"),
    [
        ("unitary", {"dim": 4, "heads": 5, "length": 6, "step": 0.03, "iterations": 400}),
        ("orthogonal", {"dim": 4, "heads": 3, "length": 5, "step": 0.02, "iterations": 5000}),
    ],
)
def test_descent_ends_at_the_target(tmp_path, law, settings):
    rows = rows_of(Heads(kind="icar_heads", law=law, seeds=2, starts=6, **settings))
    write(rows, tmp_path / "rows.parquet", {})
    assert (value_of(rows, "final_loss") < 1e-3).all()
    assert (value_of(rows, "product_error") < 0.02).all()
    assert (value_of(rows, "other_ratio") < 0.01).all()
    assert (value_of(rows, "query_error") < 0.01).all()
    assert (value_of(rows, "rank") == (4 if law == "unitary" else 2)).all()
    C, P = matrix_of(rows, "C"), matrix_of(rows, "P")
    np.testing.assert_allclose(C, matrix_of(rows, "B").T @ matrix_of(rows, "A"))
    np.testing.assert_allclose(C * P[0, 1], target(law, 4), atol=0.02)
    assert loss(law, C, P) == pytest.approx(value_of(rows, "final_loss")[0])
    singular = rows[(rows["metric"] == "singular_value") & (rows["seed"] == 0)]["value"]
    expected = np.linalg.svd(C, compute_uv=False)
    np.testing.assert_allclose(singular, expected / expected[0])
    ratios = rows[rows["metric"] == "query_ratio"]
    assert set(ratios["position"]) == set(range(2, settings["length"] + 1))
    np.testing.assert_allclose(ratios["value"], -0.5 * (law == "orthogonal"), atol=0.01)


def test_of_several_descents_the_lowest_is_kept():
    settings = {"law": "orthogonal", "dim": 4, "heads": 3, "length": 4, "iterations": 300}
    rows = rows_of(Heads(kind="icar_heads", seeds=2, starts=4, **settings))
    courses = rows[rows["metric"] == "loss"]
    ends = courses[courses["iterate"] == 300].pivot(
        index="seed", columns="reference_iterate", values="value"
    )
    assert (ends.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert value_of(rows, "final_loss").eq(ends[0]).all()
    alone = rows_of(Heads(kind="icar_heads", seeds=1, starts=1, **settings))
    assert value_of(alone, "final_loss")[0] in ends.loc[0].tolist()


def test_a_descent_that_diverges_says_so(tmp_path):
    rows = rows_of(Heads(kind="icar_heads", law="unitary", dim=3, heads=3, length=4, step=9.0))
    write(rows, tmp_path / "rows.parquet", {})
    last = rows[rows["metric"].isin(["final_loss", "rank", "product_error", "query_error"])]
    assert (last["status"] == "diverged").all()
    assert (value_of(rows, "reached_fraction") == 0).all()


def test_some_descents_of_the_paper_follow_the_valley():
    measured = Heads(
        kind="icar_heads",
        law="orthogonal",
        heads=8,
        step=1e-3,
        iterations=8000,
        seeds=1,
        starts=16,
        reached=0.05,
    )
    rows = rows_of(measured)
    assert 0.3 < value_of(rows, "reached_fraction")[0] < 0.95
    assert value_of(rows, "query_error")[0] < 0.1

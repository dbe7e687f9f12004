"""Positional weights learned alone: closed form, recursion and torch agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.integrate import quad

from iclbench.records import write
from iclbench.studies.icar.positional import (
    Positional,
    descend,
    expected_moments,
    stopped_descent,
)

LABELS = {"study": "icar", "task": "m", "scale": "smoke", "config": "c", "code": "d"}


def rows_of(measurement):
    return pd.concat(measurement.measure(("icar", "m"), LABELS), ignore_index=True)


@pytest.mark.parametrize("mu", [3.0, 50.0, 300.0])
def test_moments_are_those_of_the_law(mu):
    for k, moment in enumerate(expected_moments(mu, 5)):
        integral = quad(lambda theta, k=k: np.cos(2 * k * theta / mu), 0, 2 * np.pi)[0]
        assert moment == pytest.approx(integral / (2 * np.pi), abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(
    mu=st.floats(2, 500),
    columns=st.integers(2, 8),
    steps=st.integers(0, 60),
    eta=st.floats(0.05, 1),
)
def test_the_closed_form_is_the_recursion(mu, columns, steps, eta):
    moments = expected_moments(mu, columns)
    gram = moments[np.abs(np.subtract.outer(np.arange(columns), np.arange(columns)))]
    P = np.zeros((columns - 1, columns))
    for _ in range(steps):
        P -= np.tril(2 * eta / (columns - 1) * (P @ gram - gram[1:]), 1)
    np.testing.assert_allclose(stopped_descent(moments, eta, steps), P, atol=1e-9)


@pytest.mark.parametrize("mu", [4.0, 7.5])
def test_the_minimum_has_all_weight_on_the_last_position(mu):
    P = stopped_descent(expected_moments(mu, 5), 0.5, 10**9)
    np.testing.assert_allclose(P, np.eye(4, 5, 1), atol=1e-6)


def test_descent_is_torchs_on_the_layer_written_out():
    length, mu, step = 6, 9.0, 0.4
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 40) / mu
    ours, iterations, last = descend(np.exp(1j * angles), length - 1, step, 0.02, 1000)
    s = torch.exp(1j * torch.tensor(angles)[:, None] * torch.arange(length + 1))
    P = torch.zeros(length, length, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([P], lr=step)
    count = 0
    while True:
        values = []
        for r in range(length - 1):
            predicted = sum(P[r, c] * s[:, r].conj() * s[:, c] * s[:, c] for c in range(r + 2))
            values.append((predicted - s[:, r + 2]).abs().square().mean())
        value = torch.stack(values).mean()
        if value.item() < 0.02:
            break
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        count += 1
    assert count == iterations
    assert last == pytest.approx(value.item(), rel=1e-9)
    np.testing.assert_allclose(ours, P.detach().numpy()[:-1], atol=1e-9)


def test_printed_profiles():
    rows = rows_of(Positional(kind="icar_positional", mus=(50, 100), seeds=1))
    weights = rows[(rows["metric"] == "weight") & (rows["method"] == "gradient_descent")]
    table = weights.pivot(index="iterate", columns="position", values="value")
    np.testing.assert_allclose(table.loc[50, [27, 28, 29]], [0.223, 0.332, 0.455], atol=0.01)
    np.testing.assert_allclose(table.loc[100, [27, 28, 29]], [0.199, 0.243, 0.289], atol=0.01)
    np.testing.assert_allclose(table.min(axis=1), [-0.070, -0.042], atol=0.003)
    iterations = rows[rows["metric"] == "iterations"]["value"]
    np.testing.assert_allclose(iterations, [886, 769], rtol=0.02)


def test_the_distance_from_the_law_falls_as_the_root_of_the_batch():
    batches = np.array([100, 400, 1600, 6400])
    shared = {"kind": "icar_positional", "mus": (20,), "length": 10, "stop": 0.005, "seeds": 40}
    means = []
    for batch in batches:
        rows = rows_of(Positional(**shared, batch=int(batch)))
        means.append(np.log(rows.loc[rows["metric"] == "distance", "value"]).mean())
    assert np.polyfit(np.log(batches), means, 1)[0] == pytest.approx(-0.5, abs=0.12)


@pytest.mark.parametrize("mus", [(50, 50), (100, 50), ()])
def test_laws_ascend(mus):
    with pytest.raises(ValidationError, match=r"once|at least 1"):
        Positional(kind="icar_positional", mus=mus)


def test_rows_of_other_lengths(tmp_path):
    measured = Positional(
        kind="icar_positional", mus=(5, 20), length=7, batch=300, stop=0.01, step=0.3, seeds=2
    )
    rows = rows_of(measured)
    write(rows, tmp_path / "rows.parquet", {})
    assert (rows[rows["metric"] == "distance_on_batch"]["value"] < 1e-9).all()
    assert (rows[rows["metric"] == "distance"]["value"] < 0.2).all()
    P = rows[(rows["metric"] == "P") & (rows["method"] == "gradient_descent")]
    assert len(P) == 2 * 6 * 7
    above = P["position"] > P["reference_iterate"] + 1
    assert (P.loc[above, "value"] == 0).all()


def test_descent_stops_at_the_most_iterations():
    rows = rows_of(
        Positional(kind="icar_positional", mus=(5,), length=5, batch=50, most=3, seeds=1)
    )
    assert rows[rows["metric"] == "iterations"]["value"].tolist() == [3]

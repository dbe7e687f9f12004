"""One gradient step in context: closed forms against brute force, samples and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize_scalar

from iclbench.records import write
from iclbench.studies.icar.augmented import (
    Augmented,
    best_step,
    least_loss,
    losses,
    sampled_moments,
)
from iclbench.studies.icar.orbits import Orbits
from iclbench.studies.icar.spectra import eigenvalues

LABELS = {"study": "icar", "task": "m", "scale": "smoke", "config": "c", "code": "d"}


def rows_of(measurement):
    return pd.concat(measurement.measure(("icar", "m"), LABELS), ignore_index=True)


@pytest.mark.parametrize(("dim", "length"), [(5, 20), (1, 2), (10, 50), (3, 7)])
def test_the_best_step_minimises_the_closed_loss(dim, length):
    found = minimize_scalar(lambda step: losses(dim, length, step).sum(), bounds=(0, 2))
    assert best_step(dim, length) == pytest.approx(found.x, rel=1e-5)
    assert least_loss(dim, length) == pytest.approx(found.fun, rel=1e-9)


@pytest.mark.parametrize(
    ("dim", "length", "step", "least"),
    [(5, 20, 0.0588235, 39.1176), (10, 50, 0.0238095, 198.333)],
)
def test_printed_steps_and_losses(dim, length, step, least):
    assert best_step(dim, length) == pytest.approx(step, abs=1e-7)
    assert least_loss(dim, length) == pytest.approx(least, abs=1e-3)


@pytest.mark.parametrize(
    ("length", "product", "ratio"),
    [(20, 1.1765, 0.4118), (50, 1.3514, 0.3243), (100, 1.4218, 0.2891), (1000, 1.4918, 0.2541)],
)
def test_printed_limits(length, product, ratio):
    assert best_step(5, length) * length == pytest.approx(product, abs=1e-4)
    assert least_loss(5, length) / (5 * (length - 1)) == pytest.approx(ratio, abs=1e-4)


def test_samples_are_those_of_the_layer_written_out():
    """Attention on tokens (0, s_t, s_{t-1}), term by term, on the same angles."""
    dim, length, batch = 3, 6, 5
    squares, products = sampled_moments(dim, length, np.random.default_rng(0), batch)
    drawn = eigenvalues("unitary", dim, np.random.default_rng(0), batch)
    s = np.stack([drawn**t for t in range(length + 1)], 1)
    for T in range(2, length + 1):
        g = np.zeros_like(drawn)
        for t in range(2, T + 1):
            g += s[:, t - 1] * np.sum(s[:, t - 2].conj() * s[:, T - 1], -1, keepdims=True)
        assert squares[T - 2] == pytest.approx(np.sum(np.abs(g) ** 2) / batch)
        assert products[T - 2] == pytest.approx(np.sum(g.conj() * s[:, T]).real / batch)


def test_rows_agree_with_the_closed_form(tmp_path):
    measured = Augmented(
        kind="icar_augmented",
        dim=3,
        lengths=(6, 12),
        pairs=12_000,
        percents=(0, 100, 130),
        seeds=64,
    )
    rows = rows_of(measured)
    write(rows, tmp_path / "rows.parquet", {})
    keys = ["metric", "iterate", "position", "reference_iterate"]
    rows = rows.fillna({"position": -1, "reference_iterate": -1})
    exact = rows[rows["method"] == "closed_form"].set_index(keys)["value"]
    sampled = rows[rows["method"] == "one_step"].groupby(keys)["value"]
    assert len(exact) == len(sampled)
    mean, stderr = sampled.mean(), sampled.std() / np.sqrt(64)
    assert (np.abs(mean - exact.reindex(mean.index)) < 5 * stderr + 1e-12).all()
    at_zero = exact.loc["loss", 6, -1, 0]
    assert at_zero == pytest.approx(15)


def test_a_seed_changes_no_other():
    few, more = (
        rows_of(Augmented(kind="icar_augmented", lengths=(4,), pairs=100, seeds=seeds))
        for seeds in (1, 3)
    )
    keys = [name for name in few if name not in ("value", "stderr", "n", "status")]
    both = more[more["seed"] == 0].merge(few, on=keys)
    assert len(both) == len(few)
    assert (both["value_x"] == both["value_y"]).all()


def test_orbits_stay_on_the_sphere_and_turn():
    rows = rows_of(Orbits(kind="icar_orbits", dim=4, length=12, seeds=2))
    for _, orbit in rows.groupby("seed"):
        states = orbit.pivot(index="position", columns="iterate", values="value").to_numpy()
        np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1)
        inner = states[:-1] @ states[1:].T
        np.testing.assert_allclose(np.diagonal(inner), inner[0, 0])


@pytest.mark.parametrize("twice", [{"percents": (90, 100, 100)}, {"lengths": (20, 20)}])
def test_nothing_is_listed_twice(twice):
    with pytest.raises(ValidationError, match="must ascend"):
        Augmented(kind="icar_augmented", **twice)

"""Baselines and shifted prompts: the laws that they claim, and closed forms of least squares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from iclbench.files import JobError
from iclbench.measures import bootstrap
from iclbench.solvers.averaging import Averaging
from iclbench.solvers.least_squares import LeastSquares
from iclbench.solvers.zero import Zero
from iclbench.streams import stream
from iclbench.studies.linear_attention.baselines import Baselines
from iclbench.studies.linear_attention.prompts import Prompts, errors_of
from iclbench.studies.linear_attention.resampling import BLOCK, bootstrap_means
from iclbench.studies.linear_attention.shifts import FACTORS, SHIFTS, draw
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.examination import Subject

LABELS = {
    "study": "linear_attention",
    "task": "prompts",
    "scale": "smoke",
    "config": "c",
    "code": "d",
}
OLS, AVERAGING, ZERO = (
    LeastSquares(kind="least_squares"),
    Averaging(kind="averaging"),
    Zero(kind="zero"),
)
DIM, LENGTH = 4, 9


def drawn(shift: str, prompts: int = 600):
    return draw(shift, ("shifts",), prompts, LENGTH, DIM)


def within(samples: np.ndarray, expected: np.ndarray | float, errors: float = 4.5) -> bool:
    stderr = samples.std(0, ddof=1) / len(samples) ** 0.5
    return bool((np.abs(samples.mean(0) - expected) <= errors * stderr + 1e-12).all())


def test_bootstrap_of_means_is_the_bootstrap():
    values = stream("values").gamma(1.0, size=(BLOCK + 300, 3))
    found = bootstrap_means(values, stream("one"), trials=8000)
    expected = bootstrap(values, rng=stream("two"), trials=8000)
    np.testing.assert_allclose(found, expected, atol=0.004)


def test_bootstrap_of_few_prompts_is_exact():
    """Of two prompts both draws are the first with probability 1/4, and so for the second."""
    values = np.array([[0.0, 5.0, np.nan], [1.0, 5.0, 1.0]])
    ends = bootstrap_means(values, stream("two prompts"), trials=4000, level=0.4)
    np.testing.assert_allclose(ends[:, :2], [[0.5, 5.0], [0.5, 5.0]])
    assert np.isnan(ends[:, 2]).all()
    np.testing.assert_allclose(
        bootstrap_means(values, stream("two prompts"), trials=4000, level=0.6)[:, 0], [0, 1]
    )


@pytest.mark.parametrize("shift", sorted(SHIFTS))
def test_answers_have_the_stated_power(shift):
    cases = drawn(shift, 3000)
    clean = cases.answers[:, cases.positions, 0]
    power = cases.power + (shift == "noisy")
    assert within((clean**2).mean(1), power)


def test_all_kinds_share_weights_and_inputs():
    standard = drawn("standard")
    for shift in ("orthogonal", "overlapping", "noisy", "w_double"):
        np.testing.assert_array_equal(drawn(shift).inputs, standard.inputs)
    for name, factor in FACTORS.items():
        np.testing.assert_allclose(drawn(f"x_{name}").outputs, factor * standard.outputs)
        np.testing.assert_allclose(drawn(f"w_{name}").outputs, factor * standard.outputs)
    noise = (drawn("noisy").outputs - standard.outputs).ravel()
    assert within(noise, 0.0)
    assert within(noise**2, 1.0)


def test_inputs_in_a_quadrant_share_their_signs_and_queries_do_not():
    cases = drawn("quadrants")
    signs = np.sign(cases.inputs)
    assert (signs == signs[:, :1]).all()
    assert within(signs[:, 0], 0.0)
    assert within(np.sign(cases.queries).reshape(-1, DIM), 0.0)
    np.testing.assert_allclose(np.abs(cases.queries), np.abs(cases.inputs))


def test_orthogonal_queries_are_so_and_keep_their_lengths():
    cases = drawn("orthogonal")
    assert cases.positions.tolist() == list(range(DIM))
    for t in cases.positions:
        inner = np.einsum("bsp,bp->bs", cases.inputs[:, :t], cases.queries[:, t])
        assert np.abs(inner).max(initial=0) < 1e-10
        lengths = np.linalg.norm(cases.queries[:, t], axis=1)
        np.testing.assert_allclose(lengths, np.linalg.norm(cases.inputs[:, t], axis=1))


def test_overlapping_queries_are_inputs_seen_and_each_as_likely():
    cases = drawn("overlapping", 3000)
    assert cases.positions.tolist() == list(range(1, LENGTH))
    for t in cases.positions:
        same = (cases.inputs[:, :t] == cases.queries[:, t : t + 1]).all(-1)
        assert (same.sum(1) == 1).all()
        assert within(same.astype(float), 1 / t)


def test_inputs_have_the_stated_spectra():
    half = drawn("half_subspace")
    values = np.linalg.svd(half.inputs, compute_uv=False)
    assert values[:, 2:].max() < 1e-12 * values.max()
    assert within((half.inputs**2).sum(-1).mean(1), DIM)
    skewed = drawn("skewed", 4000).inputs
    eigenvalues = 1 / np.arange(1, DIM + 1) ** 2
    eigenvalues *= DIM / eigenvalues.sum()
    power = (skewed**2).sum(-1)
    assert within(power.mean(1), DIM)
    # Var |x|^2 = 2 sum e_i^2 of a normal vector, and E x x^T = I over random axes.
    assert within((power[:, 0] - DIM) ** 2, 2 * (eigenvalues**2).sum())
    assert within(np.einsum("bi,bj->bij", skewed[:, 0], skewed[:, 0]), np.eye(DIM))


def test_least_squares_on_shifted_prompts():
    """Exact on an input seen and in a subspace spanned; nothing of an orthogonal query."""
    found = {shift: errors_of(OLS.predict, drawn(shift)) for shift in SHIFTS}
    assert found["overlapping"].max() < 1e-16
    assert found["half_subspace"][:, 2:].max() < 1e-12
    zero = errors_of(ZERO.predict, drawn("orthogonal"))
    np.testing.assert_allclose(found["orthogonal"], zero, rtol=1e-9)
    for name, factor in FACTORS.items():
        np.testing.assert_allclose(
            found[f"x_{name}"], factor**2 * found["standard"], rtol=1e-5, atol=1e-12
        )
    expected = np.maximum(0, 1 - np.arange(LENGTH) / DIM)
    assert within(errors_of(OLS.predict, drawn("standard", 3000)) / DIM, expected)


def test_a_query_takes_one_place_only():
    """Errors do not depend on what the prompt holds from the query's position on."""
    cases = drawn("quadrants", 20)
    errors = errors_of(AVERAGING.predict, cases)
    t = 5
    cases.inputs[:, t:] = 1e3
    cases.outputs[:, t:] = -1e3
    np.testing.assert_array_equal(
        errors_of(AVERAGING.predict, cases)[:, : t + 1], errors[:, : t + 1]
    )
    seen = cases.inputs[:, :t]
    w = (seen * cases.outputs[:, :t]).mean(1)
    predicted = (w * cases.queries[:, t]).sum(-1)
    np.testing.assert_allclose(errors[:, t], (predicted - cases.answers[:, t, 0]) ** 2)


def subject(task: LinearRegression) -> Subject:
    prompts = task.sample(stream("subject"), 2, LENGTH)
    return Subject(
        task=task,
        length=LENGTH,
        power=float(DIM),
        inputs=torch.from_numpy(prompts.inputs),
        outputs=torch.from_numpy(prompts.outputs),
        methods={"ols": ("solver", OLS), "zero": ("solver", ZERO)},
        learners=(),
    )


def test_examination_gives_rows_of_every_method_and_kind():
    examination = Prompts(kind="garg_prompts", of="linear", methods=("ols", "zero"), prompts=60)
    task = LinearRegression(kind="linear", dim=DIM)
    rows = pd.concat(examination.examine(subject(task), ("root",), LABELS), ignore_index=True)
    assert set(rows["reference"]) == set(SHIFTS)
    keys = ["method", "reference", "position"]
    wide = rows.pivot(index=keys, columns="metric", values="value")
    assert (wide["error_low"] <= wide["normalised_error"] + 1e-12).all()
    assert (wide["normalised_error"] <= wide["error_high"] + 1e-12).all()
    same = wide.loc["ols", "standard"] - wide.loc["ols", "x_triple"]
    np.testing.assert_allclose(same["normalised_error"].astype(float), 0, atol=1e-9)


def test_another_task_is_refused():
    examination = Prompts(kind="garg_prompts", of="noisy", methods=("ols",), prompts=4)
    noisy = LinearRegression(kind="linear", dim=DIM, noise=1.0)
    with pytest.raises(JobError, match="examine that"):
        next(examination.examine(subject(noisy), ("root",), LABELS))
    with pytest.raises(ValidationError, match="no kind of prompt"):
        Prompts(kind="garg_prompts", of="linear", methods=("ols",), shifts=("upside_down",))


def baselines(**regression) -> pd.DataFrame:
    settings = {
        "kind": "garg_baselines",
        "seeds": 2,
        "regression": {"kind": "linear", "dim": DIM, **regression},
        "length": LENGTH,
        "prompts": 2000,
        "methods": {"ols": OLS, "averaging": AVERAGING},
    }
    measured = Baselines.model_validate(settings).measure(("root",), LABELS)
    return pd.concat(measured, ignore_index=True)


def test_baselines_follow_their_closed_forms():
    """Of averaging after t pairs: E |w - (1/t) sum x x^T w|^2 = d (d + 1) / t."""
    rows = baselines()
    scores = rows[rows["metric"] == "z_score"]
    assert scores["position"].isna().sum() == 2
    assert (scores["value"] < 4).all()
    errors = rows[rows["metric"] == "normalised_error"]
    law = errors[errors["method"] == "closed_form"].groupby("position")["value"].mean()
    np.testing.assert_allclose(law, np.maximum(0, 1 - np.arange(LENGTH) / DIM))
    averaged = errors[(errors["method"] == "averaging") & (errors["position"] > 0)]
    expected = (DIM + 1) / averaged["position"].astype(float)
    assert (np.abs(averaged["value"] - expected) < 4.5 * averaged["stderr"]).all()
    ends = rows.pivot_table(
        index=["method", "seed", "position"], columns="metric", values="value"
    ).loc["averaging"]
    # Within 1.645 standard errors on either side, as the mean of many is about normal.
    width = (ends["error_high"] - ends["error_low"]).to_numpy(dtype=float)
    stderr = errors[errors["method"] == "averaging"]["stderr"].to_numpy(dtype=float)
    np.testing.assert_allclose(width, 2 * 1.645 * stderr, rtol=0.15)


@pytest.mark.parametrize(
    "regression", [{"noise": 1.0}, {"nonzeros": 2}, {"inputs": "uniform", "width": 2.0}]
)
def test_the_closed_form_is_given_where_it_holds_alone(regression):
    rows = baselines(**regression)
    assert "closed_form" not in set(rows["method"])
    assert "z_score" not in set(rows["metric"])

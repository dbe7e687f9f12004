"""What needs no trained model: against loops over prompts, prefixes and entries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from iclbench.registry import find
from iclbench.streams import stream
from iclbench.studies.newton.identities import Identities, inverses, layer, polynomial
from iclbench.studies.newton.iterations import Iterations, first
from iclbench.studies.newton.matches import explained
from iclbench.studies.newton.similarities import Similarities
from iclbench.tasks.regression.linear import LinearRegression

ROOT = Path(__file__).parents[3]
LABELS = {"study": "newton", "task": "m", "scale": "smoke", "config": "c", "code": "c"}


def rows_of(measurement) -> pd.DataFrame:
    return pd.concat(measurement.measure(("newton", "m"), LABELS), ignore_index=True)


def shipped() -> dict:
    path = ROOT / "config/studies/newton.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def small(**others) -> Similarities:
    methods = {
        "newton": {"kind": "newton", "iterations": [1, 2, 4]},
        "gd": {
            "kind": "gradient_descent",
            "step": 0.01,
            "start": "uniform",
            "iterations": [1, 3, 9],
        },
    }
    settings = {
        "kind": "newton_similarities",
        "seeds": 2,
        "regression": {"kind": "linear", "dim": 4},
        "length": 9,
        "prompts": 3,
        "methods": methods,
    }
    return Similarities.model_validate(settings | others)


def start_of(seed: int, p: int) -> np.ndarray:
    return stream("gradient_descent", seed).random((p, 1))[:, 0] / np.sqrt(p)


def naive_residuals(x, y, seed: int, skip: int) -> dict[str, list[np.ndarray]]:
    """Return the residuals of one prompt by Newton's recursion and by steps of descent."""
    residuals = {"newton": {k: [] for k in (1, 2, 4)}, "gd": {k: [] for k in (1, 3, 9)}}
    for t in range(skip, len(x)):
        S, b = x[:t].T @ x[:t], x[:t].T @ y[:t]
        M = 2 * S / np.linalg.norm(S @ S.T) if t else S
        w = start_of(seed, x.shape[1]) if t else np.zeros(x.shape[1])
        for k in range(1, 10):
            M = 2 * M - M @ S @ M
            w = w - 0.01 * (S @ w - b) if t else w
            for name, weights in (("newton", M @ b), ("gd", w)):
                if k in residuals[name]:
                    residuals[name][k].append(x[t] @ weights - y[t])
    return {
        name: [np.array(part) for part in by_step.values()] for name, by_step in residuals.items()
    }


@pytest.mark.parametrize("skip", [False, True])
def test_similarities_are_those_of_loops_over_prompts_and_prefixes(skip: bool) -> None:
    rows = rows_of(small(skip_first=skip, positions=[4, 8]))
    task = LinearRegression(kind="linear", dim=4)
    for seed in range(2):
        drawn = task.sample(stream("newton", "m", "prompts", seed), 3, 9)
        cosines, errors = np.zeros((3, 3)), np.zeros(3)
        for x, y in zip(drawn.inputs, drawn.outputs[..., 0], strict=True):
            parts = naive_residuals(x, y, seed, int(skip))
            a, b = np.array(parts["newton"]), np.array(parts["gd"])
            norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
            cosines += a @ b.T / norms / 3
            errors += b[:, -1] ** 2 / 4 / 3
        about = rows[(rows["seed"] == seed) & (rows["reference"] == "gd")]
        pair = about[(about["method"] == "newton") & (about["metric"] == "similarity")]
        grid = pair.pivot_table(index="iterate", columns="reference_iterate", values="value")
        np.testing.assert_allclose(grid.to_numpy(), cosines, atol=1e-9)
        best = about[(about["method"] == "newton") & (about["metric"] == "best_match")]
        np.testing.assert_array_equal(best["value"], np.array([1, 3, 9])[cosines.argmax(1)])
        chosen = (rows["metric"] == "normalised_error") & (rows["position"] == 8)
        found = rows[chosen & (rows["seed"] == seed) & (rows["method"] == "gd")]
        np.testing.assert_allclose(found["value"], errors, rtol=1e-9)


def test_every_method_is_most_like_itself() -> None:
    rows = rows_of(small())
    own = rows[(rows["reference"] == rows["method"]) & (rows["metric"] == "best_match")]
    assert set(own["method"]) == {"newton", "gd"}
    assert (own["value"] == own["iterate"]).all()


def test_a_seed_more_changes_no_other() -> None:
    few, many = rows_of(small(seeds=1)), rows_of(small(seeds=3))
    pd.testing.assert_frame_equal(few, many[many["seed"] == 0].reset_index(drop=True))
    pair = many[(many["metric"] == "similarity") & (many["reference"] != many["method"])]
    assert pair.groupby("seed")["value"].first().nunique() == 3


@pytest.mark.parametrize(
    "method", ["kind: kaczmarz", "{kind: ridge, penalty: 0.5}", "kind: nearest_neighbours"]
)
def test_another_method_is_a_line(method: str) -> None:
    table = shipped()["measurements"]["solvers_isotropic"] | {"seeds": 1, "prompts": 4}
    line = yaml.safe_load(method)
    assert line["kind"] not in {each["kind"] for each in table["methods"].values()}
    table["methods"] = {"newton": table["methods"]["newton"], "another": line}
    table["pairs"] = [["newton", "another"], ["another", "newton"]]
    rows = rows_of(Similarities.model_validate(table))
    matches = rows[rows["metric"] == "similarity"]
    assert set(matches["method"]) == set(matches["reference"]) == {"newton", "another"}
    assert matches["value"].between(-1, 1).all()
    there, back = (matches[matches["method"] == name] for name in ("newton", "another"))
    np.testing.assert_allclose(np.sort(there["value"]), np.sort(back["value"]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pairs": [["newton", "adam"]]}, "'adam' is none of the methods newton, gd"),
        ({"pairs": [["newton", "gd"], ["newton", "gd"]]}, "listed twice"),
        ({"positions": [9]}, "seen nowhere"),
        ({"fit": [5, 5]}, "ascend"),
    ],
)
def test_faults_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(**wrong)


def test_the_fit_explains_a_line_and_no_noise() -> None:
    k = np.arange(3, 23)
    assert explained(k, 1 + k / 2) == pytest.approx(1)
    assert explained(k, np.tile([1.0, 2.0], 10)) < 0.05
    assert explained(k, np.ones(20)) is None
    assert explained(k, np.r_[-np.inf, k[1:]]) is None
    assert explained(k[:2], 1.0 * k[:2]) is None


def test_identities_hold_and_printed_formulas_do_not() -> None:
    rows = rows_of(Identities(kind="newton_identities", seeds=3, dim=6, pairs=12))

    def values(metric: str, method: str) -> pd.Series:
        chosen = (rows["metric"] == metric) & (rows["method"] == method)
        return rows[chosen].sort_values(["seed", "iterate"])["value"]

    assert values("inverse_gap", "newton").max() < 1e-12
    assert values("expansion_gap", "derived").max() < 1e-12
    assert values("expansion_gap", "printed").min() > 0.5
    assert values("layer_gap", "layers").max() < 1e-12
    assert values("layer_gap", "layers_plus").min() > 0.1
    assert values("prediction_gap", "transformer").max() < 1e-10
    gains = values("top_gain", "spectral").to_numpy().reshape(3, -1)
    np.testing.assert_allclose(gains[:, 0], 2)
    assert np.abs(gains[:, 1:]).max() < 1e-6
    assert values("top_gain", "frobenius").to_numpy().reshape(3, -1)[:, -1] == pytest.approx(1)


def test_expansions_are_polynomials_in_a_number() -> None:
    # d = 1: M_k = (1 - (1 - a s^2)^{2^k}) / s, whose powers of s are counted by hand.
    s, a = 0.7, 0.3
    for k, coefficients in ((1, (2, -1)), (2, (4, -6, 4, -1))):
        expected = (1 - (1 - a * s**2) ** 2**k) / s
        assert polynomial(np.array([[s]]), a, coefficients)[0, 0] == pytest.approx(expected)
        assert list(inverses(np.array([[s]]), a, k))[-1][0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_layer_is_attention_with_the_matrices_of_the_theorem(sign: int) -> None:
    rng = np.random.default_rng(0)
    n, d = 5, 3
    x, h = rng.standard_normal((2, n, d))
    tokens = np.hstack([h, x])
    zero, eye = np.zeros((d, d)), np.eye(d)
    Q, K = np.hstack([zero, -(n / 2) * eye]), np.hstack([eye, zero])
    V = np.block([[eye, zero], [zero, zero]])
    added = np.zeros_like(tokens)
    for t in range(n):
        for j in range(n):
            score = (Q @ tokens[t]) @ (K @ tokens[j])
            added[t] += (max(score, 0) * V + max(-score, 0) * sign * V) @ tokens[j] / n
    expected = 2 * (tokens + added)[:, :d]
    np.testing.assert_allclose(layer(h, x, sign), expected, atol=1e-12)


@pytest.mark.parametrize("condition", [1, 30])
def test_iterations_are_counted_by_iterating(condition: int) -> None:
    measurement = Iterations(
        kind="newton_iterations", seeds=3, dim=4, pairs=9, prompts=1, conditions=(condition,)
    )
    rows = rows_of(measurement)
    task = LinearRegression(kind="linear", dim=4, condition=condition)
    for seed in range(3):
        drawn = task.sample(stream("newton", "m", "prompts", condition, seed), 1, 9)
        X, w = drawn.inputs[0], drawn.truth["w"][0]
        S = X.T @ X
        least, most = np.linalg.eigvalsh(S)[[0, -1]]
        counts = {"newton": 0}
        M = 2 * S / np.linalg.norm(S @ S)
        while np.mean((M @ S @ w - w) ** 2) >= 1e-3:
            M = 2 * M - M @ S @ M
            counts["newton"] += 1
        for name, eta in (("gd_optimal", 2 / (least + most)), ("gd_fixed", 0.01)):
            found, counts[name] = np.zeros(4), 0
            while np.mean((found - w) ** 2) >= 1e-3:
                found = found - eta * S @ (found - w)
                counts[name] += 1
        own = rows[(rows["seed"] == seed) & (rows["metric"] == "iterations")]
        assert dict(zip(own["method"], own["value"], strict=True)) == counts
        ratio = rows[(rows["seed"] == seed) & (rows["metric"] == "condition")]["value"]
        assert ratio.item() == pytest.approx(most / least)


def test_a_step_beyond_the_border_never_arrives() -> None:
    rows = rows_of(
        Iterations(kind="newton_iterations", seeds=1, dim=4, pairs=9, conditions=(1,), step=10.0)
    )
    fixed = rows[rows["method"] == "gd_fixed"].set_index("metric")
    assert fixed.loc["iterations", "status"] == "diverged"
    assert fixed.loc["contracting_fraction", "value"] == 0
    others = rows[(rows["metric"] == "contracting_fraction") & (rows["method"] != "gd_fixed")]
    assert (others["value"] == 1).all()


def test_the_first_is_found_by_bisection() -> None:
    wanted = np.array([0, 1, 7, 1000, 1023, 1024, 5000])
    found = first(lambda k: k >= wanted, len(wanted), 1024)
    np.testing.assert_array_equal(found, [0, 1, 7, 1000, 1023, 1024, np.inf])


def tiny_rows() -> pd.DataFrame:
    tables = [
        rows_of(small(fit=[1, 4], positions=[2, 4, 8])),
        rows_of(small(regression={"kind": "linear", "dim": 4, "condition": 9})).assign(task="bent"),
        rows_of(Iterations(kind="newton_iterations", seeds=2, dim=4, pairs=9)).assign(task="rates"),
    ]
    return pd.concat(tables, ignore_index=True)


def test_a_panel_of_the_table_is_a_pair_and_a_dot_its_best_match(tmp_path: Path) -> None:
    rows = tiny_rows()
    figure, table = find("figures", "newton_table")(rows)
    figure.savefig(tmp_path / "table.png")
    assert table[["task", "method", "reference"]].drop_duplicates().shape[0] == 6
    assert len(figure.axes) == 6 + 1  # the key is an axes, too
    best = table[table["best"]].groupby(["task", "method", "reference", "iterate"])
    mean = table.groupby(["task", "method", "reference", "iterate"])["value"].max()
    np.testing.assert_array_equal(best["value"].max(), mean)
    dots = figure.axes[0].lines[0].get_xdata()
    assert len(dots) == 3


def test_rates_are_drawn_of_all_that_was_measured(tmp_path: Path) -> None:
    figure, table = find("figures", "newton_rates")(tiny_rows())
    figure.savefig(tmp_path / "rates.png")
    assert set(table["metric"]) >= {"iterations", "normalised_error"}
    assert len(figure.axes) == 2 + 2
    drawn = figure.axes[0].lines
    assert {line.get_label() for line in drawn} >= {"newton", "gd optimal"}


@pytest.mark.parametrize("kind", ["newton_table", "newton_rates"])
def test_a_figure_of_nothing_says_so(kind: str, tmp_path: Path) -> None:
    figure, table = find("figures", kind)(tiny_rows().iloc[:0])
    figure.savefig(tmp_path / "nothing.png")
    assert table.empty
    assert "nothing was measured" in [text.get_text() for text in figure.texts]


def test_claims_of_the_published_table_are_all_there() -> None:
    claims = shipped()["claims"]
    published = {name: claim for name, claim in claims.items() if "paper_value" in claim}
    for prefix, count in (("N05_next_", 12), ("N06_newton_", 8), ("N06_gd_", 9), ("N07_gd_", 4)):
        assert sum(name.startswith(prefix) for name in published) == count
    for name, claim in published.items():
        if claim["where"].get("metric") == "similarity" and "within" in claim["criterion"]:
            assert claim["criterion"]["near"] == claim["paper_value"], name
            assert claim["criterion"]["within"] <= 0.015

"""The figures of causal kernel descent, drawn from rows measured here."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from docutils.core import publish_parts
from seen import assert_inside

from iclbench.claims.claim import Claim
from iclbench.claims.verdicts import decide
from iclbench.plotting.saving import save
from iclbench.plotting.summaries import over_quantiles
from iclbench.records import make_rows
from iclbench.registry import find, locations
from iclbench.studies.ckd.drawing import described
from iclbench.studies.ckd.figures_limits import short
from iclbench.studies.ckd.problems import prompts_of

ROOT = Path(__file__).parents[3]
STUDY = yaml.safe_load((ROOT / "config" / "studies" / "ckd.yaml").read_text(encoding="utf-8"))
FIGURES = STUDY["figures"]
KINDS = sorted({figure["kind"] for figure in FIGURES.values()})


@cache
def table_of(name, seeds=2) -> pd.DataFrame:
    settings = STUDY["measurements"][name] | {"seeds": seeds}
    measurement = find("measurements", settings["kind"]).model_validate(settings)
    labels = {"study": "ckd", "task": name, "scale": "smoke", "config": "c", "code": "d"}
    return pd.concat(list(measurement.measure(("0", "ckd", name), labels)), ignore_index=True)


@cache
def compared(task, seeds=2) -> pd.DataFrame:
    """Rows of methods on a task as the common comparison gives them, iterates 1, 3 and 6."""
    rng = np.random.default_rng(len(task))
    iterate, position = np.array([1, 3, 6])[:, None], np.arange(20)
    tables = []
    for method in (*STUDY["variants"], *STUDY["solvers"]):
        family = "trained" if method.startswith("trained") else "constructed"
        family = "solver" if method in STUDY["solvers"] else family
        scale = 0.5 if method.endswith("constructed") else 1.0
        for seed in range(seeds if family == "trained" else 1):
            labels = {"study": "ckd", "task": task, "method": method, "family": family}
            labels |= {"seed": seed, "scale": "smoke", "config": "c", "code": "d"}
            value = scale * np.exp(-iterate * position / 60 + 0.05 * rng.normal(size=(3, 20)))
            same = {"metric": "normalised_error", "iterate": iterate, "n": 8}
            tables.append(
                make_rows(labels, position=position, value=value, stderr=value / 9, **same)
            )
            mean = value.mean(1, keepdims=True)
            tables.append(make_rows(labels, value=mean, stderr=mean / 9, **same))
    return pd.concat(tables, ignore_index=True)


def rows_of(names, seeds=2) -> pd.DataFrame:
    tables = [(compared if name in STUDY["tasks"] else table_of)(name, seeds) for name in names]
    return pd.concat(tables, ignore_index=True)


def of_kind(kind, seeds=2) -> pd.DataFrame:
    figure = next(figure for figure in FIGURES.values() if figure["kind"] == kind)
    return rows_of(figure.get("from", STUDY["tasks"]), seeds)


def drawn(kind, rows):
    module, _, name = locations("figures")[kind].partition(":")
    return getattr(import_module(module), name)(rows)


def assert_readable(figure) -> None:
    assert_inside(figure)
    assert figure.get_figwidth() <= 7.0 + 1e-9
    for axes in figure.axes:
        for text in (*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()):
            assert text.get_fontsize() >= 6.5


def test_every_kind_is_drawn() -> None:
    assert set(KINDS) == {kind for kind in locations("figures") if kind[:4] == "ckd_"}


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_readable_and_saved_with_few_seeds(kind, tmp_path) -> None:
    figure, table = drawn(kind, of_kind(kind, 1))
    assert len(table)
    assert_readable(figure)
    save(figure, table, tmp_path / "figure")


@pytest.mark.parametrize("kind", KINDS)
def test_figures_stand_rows_of_which_some_diverged_or_none_were_measured(kind) -> None:
    rows = of_kind(kind)
    lost = rows["iterate"] >= 64
    rows.loc[lost, "value"] = np.nan
    rows.loc[lost, "status"] = "diverged"
    assert_readable(drawn(kind, rows)[0])
    figure, table = drawn(kind, rows[:0])
    assert table.empty
    assert "nothing was measured" in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("kind", KINDS)
def test_figures_leave_out_rows_of_other_methods(kind) -> None:
    rows = of_kind(kind)
    errors = rows[rows["metric"].isin(["error", "transformer_gap", "normalised_error"])]
    others = errors.drop_duplicates(["task", "iterate", "position", "seed"])
    others = others.assign(method="gpt2", family="trained")
    _, table = drawn(kind, pd.concat([rows, others], ignore_index=True))
    assert len(table) == len(drawn(kind, rows)[1])


@pytest.mark.parametrize("kind", KINDS)
def test_captions_are_restructured_text(kind) -> None:
    caption = (ROOT / "workflow" / "report" / f"{kind}.rst").read_text(encoding="utf-8")
    assert "seed" in caption
    publish_parts(caption, settings_overrides={"halt_level": 2, "report_level": 2})


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_of_the_study_is_readable(name) -> None:
    figure = FIGURES[name]
    names = figure.get("from", STUDY["tasks"])
    assert_readable(drawn(figure["kind"], rows_of(names, 2))[0])


def test_the_last_iterate_of_trained_models_is_drawn_against_position() -> None:
    rows = rows_of(STUDY["tasks"], 3)
    figure, table = drawn("ckd_trained", rows)
    assert set(table["task"]) == set(STUDY["tasks"])
    assert set(table["method"]) == {*STUDY["variants"], *STUDY["solvers"]} - {"zero"}
    assert set(table["iterate"]) == {6}
    assert set(table["position"]) == set(range(20))
    point = {"task": "haar", "method": "trained_linear_random", "position": 7}
    one = table[(table[list(point)] == pd.Series(point)).all(axis=1)]
    last = rows[rows["position"].notna() & (rows["iterate"] == 6)]
    chosen = (last[list(point)] == pd.Series(point)).all(axis=1)
    mean = np.exp(np.log(last.loc[chosen, "value"].astype(float)).mean())
    assert one["seeds"].item() == 3
    assert one["value"].item() == pytest.approx(mean)
    assert one["low"].item() < mean < one["high"].item()
    assert len(figure.axes) == 3 * len(STUDY["tasks"])


def test_the_flow_s_time_and_ranges_over_seeds_are_drawn() -> None:
    rows = rows_of(FIGURES["ckd_stability"]["from"], 3)
    figure, table = drawn("ckd_stability", rows)
    gaps = rows[(rows["metric"] == "flow_limit_gap") & (rows["method"] == "softmax_beta_1")]
    mine = table[(table["metric"] == "flow_limit_gap") & (table["attention"] == "softmax_beta_1")]
    ends = gaps.groupby("iterate")["value"].agg(["min", "median", "max"]).to_numpy(dtype=float)
    np.testing.assert_allclose(mine[["low", "value", "high"]].to_numpy(dtype=float), ends)
    panel = next(ax for ax in figure.axes if ax.get_title("left") == "Flow: predictions and limit")
    times = panel.get_lines()[-1].get_xdata()
    np.testing.assert_allclose(times, 2.0 ** np.arange(len(ends)) / 16)
    assert table["bound"].notna().any()


def test_quantiles_count_diverged_seeds_as_infinite() -> None:
    rows = pd.DataFrame({"group": ["a"] * 5, "value": [1.0, 2.0, 3.0, np.nan, np.nan]})
    table = over_quantiles(rows, ["group"])
    assert table[["low", "value", "seeds"]].to_numpy().tolist() == [[2.0, 3.0, 5]]
    assert np.isinf(table["high"]).all()


def test_methods_are_read_from_their_names() -> None:
    rows = pd.DataFrame(
        {
            "method": [
                "linear_beta_1_limit",
                "softmax_beta_4_step_0.3",
                "gpt2",
                "exponential_beta_2.3_tau_5_dim_7",
                "exponential_beta_inverse_sqrt_step_1.99",
                "linear_beta_inverse_sqrt",
                "linear_beta_1_bound_0.5",
                "linear_beta_1_of_another_kind",
            ],
            "metric": "error",
            "status": "ok",
        }
    )
    found = described(rows, "error").reset_index(drop=True)
    assert found["attention"].tolist() == [
        "linear_beta_1",
        "softmax_beta_4",
        "exponential_beta_2.3",
        "exponential_beta_inverse_sqrt",
        "linear_beta_inverse_sqrt",
        "linear_beta_1",
    ]
    assert found["step"].isna().tolist() == [True, False, True, False, True, True]
    assert found["bound"].tolist()[-1] == 0.5
    assert found[["tau", "dim"]].to_numpy()[2].tolist() == [5, 7]


def test_numbers_in_cells_are_short() -> None:
    values = np.geomspace(1e-99, 1e99, 1999)
    assert max(len(short(value)) for value in values if 1e-9 < value < 1e99) == 4
    assert (short(0.0), short(np.nan)) == ("0", "×")


@pytest.mark.parametrize("name", [*STUDY["claims"], *STUDY["controls"]])
def test_claims_of_exact_theory_hold_and_controls_fail_with_few_seeds(name) -> None:
    settings = (STUDY["claims"] | STUDY["controls"])[name]
    claim = Claim.model_validate(settings)
    assert set(claim.evidence) <= {*STUDY["measurements"], *STUDY["tasks"]}
    assert claim.figure in FIGURES
    expected = "supported" if "smoke" in claim.scales else "not run"
    if name in STUDY["controls"]:
        expected = "refuted"
    assert decide(claim, rows_of(claim.evidence), "smoke", name).word == expected


TRAINED = [name for name, claim in STUDY["claims"].items() if claim["figure"] == "ckd_trained"]


@pytest.mark.parametrize("name", TRAINED)
def test_claims_of_training_find_their_rows_on_every_task(name) -> None:
    # In these rows training helps from the construction alone.
    claim = Claim.model_validate(STUDY["claims"][name])
    assert set(claim.evidence) == set(STUDY["tasks"])
    rows = rows_of(claim.evidence, 3)
    start = claim.model_dump()["statistic"]["smallest_first"][0]["method"]
    word = decide(claim, rows, "laptop", name).word
    assert (word == "supported") == start.endswith("constructed")
    # The worst task counts.
    worse = (rows["task"] == "rotation") & (rows["method"] == start)
    rows.loc[worse, "value"] = 3 * rows.loc[worse, "value"]
    assert decide(claim, rows, "laptop", name).word == "refuted"


def test_trained_models_start_with_the_step_of_the_construction() -> None:
    for name in ("linear", "exponential", "softmax"):
        model = yaml.safe_load((ROOT / f"config/models/ckd_{name}.yaml").read_text())["model"]
        built = {**model, **STUDY["variants"][f"built_{name}"]["model"]}
        for task in STUDY["tasks"]:
            settings = yaml.safe_load((ROOT / f"config/tasks/{task}.yaml").read_text())
            family = find("dynamics", settings["dynamics"]["kind"])
            dynamics = family.model_validate(settings["dynamics"])
            x = prompts_of(dynamics, ("0", "steps", task), 3, settings["length"]).inputs
            kappa = np.exp((x**2).sum(-1)) if name == "exponential" else (x**2).sum(-1)
            steps = built["step"] / (kappa if built.get("relative") else np.ones_like(kappa))
            for start in ("constructed", "random"):
                trained = STUDY["variants"][f"trained_{name}_{start}"]["model"]
                assert trained["attention"] == model["attention"]
                assert trained["layers"] == built["depths"][-1]
                np.testing.assert_allclose(steps, trained["step"], rtol=1e-3)

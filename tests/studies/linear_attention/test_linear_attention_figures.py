"""The figures of the study: they draw their tables, whatever the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from docutils.core import publish_parts
from matplotlib.backends.backend_agg import FigureCanvasAgg
from seen import assert_inside

from iclbench.plotting.saving import save
from iclbench.records import make_rows
from iclbench.solvers.averaging import Averaging
from iclbench.solvers.least_squares import LeastSquares
from iclbench.studies.linear_attention.baselines import Baselines
from iclbench.studies.linear_attention.figures_garg import (
    LINES,
    garg_baselines,
    garg_prompts,
)
from iclbench.studies.linear_attention.figures_layers import linear_self_attention
from iclbench.studies.linear_attention.prompts import Prompts
from iclbench.tasks.regression.linear import LinearRegression
from iclbench.training.examination import Subject

LABELS = {"study": "linear_attention", "scale": "smoke", "config": "c", "code": "d"}
DRAWN = {
    "garg_baselines": garg_baselines,
    "garg_prompts": garg_prompts,
    "linear_self_attention": linear_self_attention,
}
KINDS = list(DRAWN)
METHODS = {
    "ols": LeastSquares(kind="least_squares"),
    "averaging": Averaging(kind="averaging"),
}
LENGTH = 7
KNOWN = ("standard", "noisy", "orthogonal", "half_subspace", "x_third", "w_triple")


def of_baselines() -> pd.DataFrame:
    tables = []
    for name, regression in {
        "baselines_linear": {"kind": "linear", "dim": 3},
        "baselines_relu_network": {"kind": "relu_network", "dim": 3},
    }.items():
        settings = {
            "kind": "garg_baselines",
            "seeds": 2,
            "regression": regression,
            "length": LENGTH,
            "prompts": 40,
            "methods": METHODS,
        }
        measured = Baselines.model_validate(settings)
        tables += measured.measure((name,), {**LABELS, "task": name})
    return pd.concat(tables, ignore_index=True)


def of_prompts() -> pd.DataFrame:
    """Return rows of two solvers, and of what stands for a trained model of two seeds."""
    zeros = torch.zeros(1, LENGTH, 1, dtype=torch.float64)
    subject = Subject(
        task=LinearRegression(kind="linear", dim=3),
        length=LENGTH,
        power=3.0,
        inputs=zeros.expand(1, LENGTH, 3),
        outputs=zeros,
        methods={name: ("solver", method) for name, method in METHODS.items()},
        learners=(),
    )
    examination = Prompts(
        kind="garg_prompts", of="linear", methods=tuple(METHODS), prompts=30, shifts=KNOWN
    )
    tables = list(examination.examine(subject, ("prompts",), {**LABELS, "task": "prompts"}))
    rows = pd.concat(tables, ignore_index=True)
    solved = rows[rows["method"] == "ols"]
    for seed in range(2):
        as_trained = {"method": "newton_gpt2", "family": "trained", "seed": seed}
        tables.append(solved.assign(value=solved["value"] + 0.1 * (1 + seed), **as_trained))
    return pd.concat(tables, ignore_index=True)


def of_layers() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    tables = []
    seeds = np.arange(2)
    for depth in (1, 2, 5):
        for name in ("gd", "gd_plus_plus"):
            labels = {**LABELS, "task": "layers", "method": name, "family": "solver", "seed": 0}
            for metric in ("loss", "probe_loss"):
                value = (0.5 if name == "gd" else 0.4) / depth + 0.01 * rng.random(2)
                tables.append(
                    make_rows(labels, metric=metric, iterate=depth, value=value, n=9, seed=seeds)
                )
        labels = {**LABELS, "task": "layers", "method": f"lsa_{depth}", "family": "trained"}
        labels["seed"] = 0
        ends = {"loss": [0.4, 0.5]}
        for metric in ("loss_in_training", "distance_in_training", "cosine_in_training"):
            for step in (0, 10, 100, 500):
                ends[metric] = (1 - 0.001 * step) * rng.random(2)
                tables.append(
                    make_rows(
                        labels,
                        metric=metric,
                        iterate=depth,
                        value=ends[metric],
                        n=9,
                        seed=seeds,
                        reference="gd",
                        reference_iterate=step,
                    )
                )
        tables.append(
            make_rows(labels, metric="loss", iterate=depth, value=ends["loss"], n=9, seed=seeds)
        )
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def rows():
    return {
        "garg_baselines": of_baselines(),
        "garg_prompts": of_prompts(),
        "linear_self_attention": of_layers(),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_on_a_printed_page_and_large_enough_to_read(kind, rows):
    figure, table = DRAWN[kind](rows[kind])
    assert len(table)
    assert figure.get_figwidth() <= 7.01
    assert_inside(figure)
    for axes in figure.axes:
        assert all(text.get_fontsize() >= 6.5 for text in [*axes.texts, *axes.get_xticklabels()])
    assert "scale: smoke" in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["nothing", "one seed", "diverged"])
def test_poor_rows_are_drawn_too(kind, case, rows):
    poor = rows[kind]
    if case == "nothing":
        poor = poor.iloc[:0]
    if case == "one seed":
        poor = poor[poor["seed"] == 0]
    if case == "diverged":
        poor = poor.assign(value=np.nan, stderr=np.nan, status="diverged")
    figure, table = DRAWN[kind](poor)
    assert_inside(figure)
    said = [text.get_text() for text in figure.texts]
    assert ("nothing was measured" in said) == table.empty


@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows_give_equal_files(tmp_path, kind, rows):
    for name in ("one", "two"):
        save(*DRAWN[kind](rows[kind]), tmp_path / name)
    for suffix in ("pdf", "png", "parquet"):
        one, two = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
        assert one == two


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_has_a_caption_that_can_be_set(kind):
    path = Path(__file__).parents[3] / f"workflow/report/{kind}.rst"
    text = path.read_text(encoding="utf-8")
    assert publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]


def test_curves_are_means_over_seeds_with_the_ends_of_their_intervals(rows):
    _, table = garg_baselines(rows["garg_baselines"])
    source = rows["garg_baselines"]
    for row in table[table["method"] == "ols"].to_dict("records"):
        same = source[(source["task"] == row["panel"]) & (source["method"] == "ols")]
        same = same[same["position"] == row["position"]]
        for column, metric in (
            ("value", "normalised_error"),
            ("low", "error_low"),
            ("high", "error_high"),
        ):
            values = same.loc[same["metric"] == metric, "value"]
            assert len(values) == row["seeds"] == 2
            assert row[column] == pytest.approx(values.mean())


def test_a_key_is_no_wider_than_one_panel(rows):
    source = rows["garg_baselines"]
    source = source[source["task"] == "baselines_linear"]
    ols = source[source["method"] == "ols"]
    figure, _ = garg_baselines(pd.concat([source, ols.assign(method="nearest_neighbours")]))
    assert len(figure.axes) == 1
    assert_inside(figure)


def test_panels_of_baselines_stand_in_order_and_a_long_key_fits(rows):
    source = rows["garg_baselines"]
    linear = source[source["task"] == "baselines_linear"]
    tables = [linear.assign(task=f"baselines_{name}") for name in ("decision_tree", "zeta")]
    ols = linear[linear["method"] == "ols"]
    tables += [ols.assign(method=name) for name in LINES if name not in METHODS]
    figure, _ = garg_baselines(pd.concat([*tables, source], ignore_index=True))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["linear", "relu network", "decision tree", "zeta"]
    assert_inside(figure)
    key, lowest = figure.legends[0], figure.axes[-1]
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert len(key.get_texts()) == len(LINES) + 1
    assert key.get_window_extent(renderer).y1 < lowest.get_tightbbox(renderer).y0
    looks = [(str(look["color"]), str(look["linestyle"])) for look in LINES.values()]
    assert len(set(looks)) == len(looks)


def test_there_is_a_panel_for_every_kind_of_prompt(rows):
    figure, table = garg_prompts(rows["garg_prompts"])
    assert set(table["panel"]) == set(KNOWN)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == len(KNOWN)
    assert titles[0] == "standard"
    assert titles[-2:] == ["x × 1/3", "w × 3"]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(names) == ["averaging", "least squares", "trained GPT-2"]


def test_losses_in_training_are_over_those_of_gradient_descent(rows):
    source = rows["linear_self_attention"]
    _, table = linear_self_attention(source)
    found = table[(table["metric"] == "loss_in_training") & (table["method"] == "lsa_2")]
    raw = source[(source["metric"] == "loss_in_training") & (source["method"] == "lsa_2")]
    unit = source[(source["metric"] == "probe_loss") & (source["method"] == "gd")]
    unit = unit[unit["iterate"] == 2].set_index("seed")["value"]
    expected = raw["value"].to_numpy(dtype=float) / unit.loc[raw["seed"]].to_numpy(dtype=float)
    np.testing.assert_allclose(found["value"].to_numpy(dtype=float), expected)

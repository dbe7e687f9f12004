"""The figures of the study: they draw their tables, whatever the rows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts

sys.path.insert(0, str(Path(__file__).parent))
from seen import assert_inside
from synthetic_haar import DEPTHS, HEADS, make

from iclbench.plotting.saving import save
from iclbench.records import make_rows
from iclbench.studies.icar.augmented import Augmented
from iclbench.studies.icar.few_heads import FewHeads
from iclbench.studies.icar.figures_haar import icar_depth, icar_heads
from iclbench.studies.icar.figures_matrices import icar_matrices
from iclbench.studies.icar.figures_orbits import icar_orbits
from iclbench.studies.icar.figures_positional import icar_positional
from iclbench.studies.icar.figures_text import icar_text
from iclbench.studies.icar.figures_theory import icar_theory
from iclbench.studies.icar.heads import Heads
from iclbench.studies.icar.losses import Losses
from iclbench.studies.icar.orbits import Orbits
from iclbench.studies.icar.positional import Positional
from iclbench.studies.icar.text import Text

LABELS = {"study": "icar", "task": "m", "scale": "smoke", "config": "c", "code": "d"}
DRAWN = {
    "orbits": icar_orbits,
    "matrices": icar_matrices,
    "text": icar_text,
    "theory": icar_theory,
    "depth": icar_depth,
    "positional": icar_positional,
    "heads": icar_heads,
}
KINDS = list(DRAWN)


def rows_of(*measurements):
    tables = [
        table
        for number, measured in enumerate(measurements)
        for table in measured.measure(("icar", f"m{number}"), {**LABELS, "task": f"m{number}"})
    ]
    return pd.concat(tables, ignore_index=True)


def cosines():
    for seed, value in enumerate((0.9, 0.95)):
        labels = {**LABELS, "method": "complex_diagonal", "family": "trained", "seed": seed}
        for reference in ("gd_one_step_complex", "ols"):
            yield make_rows(
                labels,
                metric="prediction_similarity",
                iterate=1,
                reference=reference,
                reference_iterate=1,
                value=value,
                n=9,
            )


def draw(kind, rows):
    return DRAWN[kind](rows)


@pytest.fixture(scope="module")
def rows():
    small = {"length": 6, "iterations": 60, "seeds": 2}
    unitary = Heads(kind="icar_heads", law="unitary", dim=4, heads=3, step=0.05, **small)
    orthogonal = Heads(kind="icar_heads", law="orthogonal", dim=6, heads=2, starts=3, **small)
    positional = Positional(
        kind="icar_positional", mus=(4, 9, 30, 50, 70), length=9, batch=60, seeds=2, stop=0.05
    )
    texts = [
        Text(kind="icar_text", dim=40, windows=2000, seeds=2),
        Text(kind="icar_text", dim=40, windows=2000, seeds=2, drop_marks=True),
        Text(kind="icar_text", encoder="gpt2"),
    ]
    theory = [
        Augmented(kind="icar_augmented", dim=3, lengths=(5, 9, 20), pairs=2000, seeds=3),
        Augmented(kind="icar_augmented", dim=4, lengths=(8,), pairs=2000, seeds=3),
        FewHeads(kind="icar_few_heads", law="unitary", dim=3, heads=(1, 2), seeds=2, starts=2),
        FewHeads(kind="icar_few_heads", law="orthogonal", dim=4, heads=(1, 2), seeds=2, starts=9),
        Losses(kind="icar_losses", dim=4, length=4, samples=2000, seeds=3),
    ]
    return {
        "orbits": rows_of(Orbits(kind="icar_orbits", dim=4, length=15, seeds=2)),
        "matrices": rows_of(unitary, orthogonal),
        "positional": rows_of(positional),
        "text": rows_of(*texts),
        "theory": pd.concat([rows_of(*theory), *cosines()], ignore_index=True),
        "depth": make(length=12),
        "heads": make(length=12),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_on_a_printed_page_and_large_enough_to_read(kind, rows):
    figure, table = draw(kind, rows[kind])
    assert len(table)
    assert figure.get_figwidth() <= 7.01
    assert_inside(figure)
    for axes in figure.axes:
        assert all(text.get_fontsize() >= 6.5 for text in [*axes.texts, *axes.get_xticklabels()])
    scale = rows[kind]["scale"].iloc[0]
    assert f"scale: {scale}" in [text.get_text() for text in figure.texts]


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
    figure, table = draw(kind, poor)
    assert_inside(figure)
    said = [text.get_text() for text in figure.texts]
    assert ("nothing was measured" in said) == table.empty


@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows_give_equal_files(tmp_path, kind, rows):
    for name in ("one", "two"):
        save(*draw(kind, rows[kind]), tmp_path / name)
    for suffix in ("pdf", "png", "parquet"):
        one, two = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
        assert one == two


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_has_a_caption_that_can_be_set(kind):
    path = Path(__file__).parents[3] / f"workflow/report/icar_{kind}.rst"
    text = path.read_text(encoding="utf-8")
    assert publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]


def test_matrices_are_drawn_as_they_are(rows):
    figure, _ = draw("matrices", rows["matrices"])
    images = {axes.get_title(loc="left"): axes.images for axes in figure.axes if axes.images}
    assert len(images) == 8
    entries = rows["matrices"][rows["matrices"]["method"] == "orthogonal"]
    for name, title in {"A": "$A$, orthogonal", "P": "$P$, orthogonal"}.items():
        matrix = entries[entries["metric"] == name]
        matrix = matrix.pivot(index="iterate", columns="position", values="value").to_numpy()
        drawn = images[title][0].get_array()
        kept = ~np.ma.getmaskarray(drawn)
        np.testing.assert_array_equal(drawn[kept], matrix[kept])
        assert (matrix[~kept] == 0).all()


@pytest.mark.parametrize(("kind", "sizes"), [("depth", DEPTHS), ("heads", HEADS)])
def test_errors_against_size_are_geometric_means_over_seeds(kind, sizes, rows):
    figure, table = draw(kind, rows[kind])
    models = table[table["size"].notna() & (table["metric"] == "squared_error")]
    models = models[models["position"].isna()].sort_values("size")
    assert models["size"].tolist() == sorted(sizes)
    stem = "augmented" if kind == "depth" else "plain"
    for row in models.to_dict("records"):
        raw = rows[kind][rows[kind]["method"] == f"{stem}_{row['size']:.0f}"]
        raw = raw[(raw["metric"] == "squared_error") & raw["position"].isna()]
        raw = raw[raw["iterate"] == raw["iterate"].max()]
        assert row["value"] == pytest.approx(np.exp(np.log(raw["value"]).mean()))
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), models["size"])
    np.testing.assert_array_equal(line.get_ydata(), models["value"])
    named = [text.get_text() for text in figure.axes[0].texts]
    assert "gd (4 steps)" in named
    assert "oracle (below)" in named
    assert ("augmented_1" in named) == (kind == "heads")


@pytest.mark.parametrize("kind", ["depth", "heads"])
def test_a_study_without_baselines_or_training_is_drawn(kind):
    rows = make(levels={}, depths={1: 0.05, 3: 0.02}, heads={2: 0.1}, trained=False, seeds=1)
    figure, table = draw(kind, rows)
    assert len(table)
    assert_inside(figure)


def test_profiles_are_means_over_seeds(rows):
    figure, table = draw("positional", rows["positional"])
    profile = next(axes for axes in figure.axes if axes.get_ylabel() == "weight $p_t$")
    weights = rows["positional"]
    weights = weights[(weights["metric"] == "weight") & (weights["iterate"] == 4)]
    learned = weights[weights["method"] == "gradient_descent"].groupby("position")["value"].mean()
    np.testing.assert_allclose(profile.lines[0].get_ydata(), learned)
    assert set(table["mu"]) == {4, 9, 30, 50, 70}
    assert sum(bool(axes.images) for axes in figure.axes) == 4


def test_text_says_what_is_left_out(rows):
    figure, table = draw("text", rows["text"])
    assert "GPT-2" in " ".join(text.get_text() for text in figure.texts)
    counts = table[table["metric"] == "inconsistent"].groupby(["method", "order"])["value"].mean()
    named = [text.get_text() for axes in figure.axes for text in axes.texts]
    methods = ("random", "random_no_marks")
    places = [(method, order) for method in methods for order in ("original", "shuffled")]
    assert [f"{counts[place]:.0f}" for place in places] == named


def test_theory_and_measurement_are_told_apart(rows):
    figure, table = draw("theory", rows["theory"])
    step = figure.axes[0]
    labels = [text.get_text() for text in step.get_legend().get_texts()]
    assert labels == ["$d = 3$", "$d = 4$"]
    exact = rows["theory"]
    exact = exact[(exact["metric"] == "step_size_times_length") & (exact["task"] == "m0")]
    circles = next(line for line in step.lines if len(line.get_xdata()) == 3)
    assert circles.get_marker() == "o"
    assert circles.get_linestyle() == "None"
    is_closed = exact["method"] == "closed_form"
    np.testing.assert_array_equal(circles.get_ydata(), exact.loc[is_closed, "value"])
    cosines = table[table["metric"] == "prediction_similarity"]["value"]
    assert cosines.tolist() == [0.9, 0.95]

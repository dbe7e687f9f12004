from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg

from iclbench.plotting.context import context
from iclbench.plotting.iterates import iterates
from iclbench.plotting.leaderboard import compact, leaderboard
from iclbench.plotting.saving import save
from iclbench.plotting.similarity import similarity
from iclbench.plotting.style import COLOURS, FAMILIES, looks
from iclbench.plotting.summaries import last_quarter, of_metric, over_seeds
from iclbench.plotting.training import training

sys.path.insert(0, str(Path(__file__).parent))
from seen import assert_inside
from synthetic import METHODS, TASKS, labels, make

from iclbench.records import left_out, make_rows, read, write

SOME = (
    *("gpt2_tiny", "delta", "paired_softmax", "newton_layers", "ckd_linear", "gd", "newton", "ols"),
    *("kaczmarz_exponential", "descent_linear", "ridge", "bayes", "oracle"),
)
KEYS = ["family", "method"]
SUFFIXES = ("pdf", "png", "parquet")
DRAWN = {
    "leaderboard": leaderboard,
    "context": lambda rows: context(rows, "haar"),
    "iterates": lambda rows: iterates(rows, "haar"),
    "similarity": lambda rows: similarity(rows, "haar"),
    "training": training,
}


@pytest.fixture(scope="module")
def rows():
    return make(("haar", "ill_conditioned", "noisy"), SOME, length=9)


@pytest.fixture(scope="module")
def all_rows():
    return make(TASKS, seeds=2, length=8)


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}


def names_beside(axes):
    return [text for text in axes.texts if text.get_position()[0] > 1]


@pytest.mark.parametrize("kind", DRAWN)
def test_everything_is_on_the_page_and_large_enough_to_read(all_rows, kind):
    figure, _ = DRAWN[kind](all_rows)
    assert_inside(figure)
    for axes in figure.axes:
        assert all(text.get_fontsize() >= 6 for text in axes.texts)
        assert all(text.get_fontsize() >= 6 for text in axes.get_xticklabels())
    assert "scale: laptop" in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("count", [1, 5, 20])
@pytest.mark.parametrize("methods", [("gd",), ("zero", *SOME)])
def test_a_leaderboard_of_any_size_is_on_its_page(count, methods):
    figure, table = leaderboard(make(TASKS[:count], methods, seeds=1, length=4, compared=None))
    assert table["task"].nunique() == count
    assert_inside(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    labels = [label for axes in figure.axes for label in axes.get_xticklabels()]
    boxes = [text.get_window_extent(renderer) for text in (*figure.texts, *labels)]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_training_starts_at_step_0(rows):
    for poor in (rows, rows[(rows["metric"] != "training_loss") | (rows["iterate"] == 50)]):
        figure, table = training(poor)
        assert len(table)
        assert {axes.get_xlim()[0] for axes in figure.axes} == {0.0}
        assert all(axes.get_xlim()[1] > table["iterate"].max() for axes in figure.axes)


@pytest.mark.parametrize("kind", ["context", "iterates"])
def test_names_beside_a_panel_do_not_overlap(all_rows, kind):
    figure, _ = DRAWN[kind](all_rows)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in figure.axes:
        boxes = sorted(
            (text.get_window_extent(renderer) for text in names_beside(axes)), key=lambda b: b.y0
        )
        step = 8.5 / 72 * figure.dpi
        centres = [(box.y0 + box.y1) / 2 for box in boxes]
        assert len(boxes) == len(lines_of(axes))
        assert np.all(np.diff(centres) > step - 2)


def save_all(folder):
    rows = make(("haar", "noisy"), SOME, length=6)
    for kind, draw in DRAWN.items():
        save(*draw(rows), folder / kind)


def test_equal_rows_give_equal_files(tmp_path):
    save_all(tmp_path / "here")
    code = "import sys, pathlib; here = pathlib.Path(sys.argv[1]);"
    code += "sys.path[:0] = [str(here), str(here.parent)]; import test_figures as test;"
    code += "test.save_all(pathlib.Path(sys.argv[2]))"
    there = tmp_path / "there"  # seconds later, in another process: a date or a hash would differ
    subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(there)],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        check=True,
    )
    here, there = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("here", "there")
    )
    assert set(here) == {f"{kind}.{suffix}" for kind in DRAWN for suffix in SUFFIXES}
    assert here == there


def test_the_saved_table_is_the_table(tmp_path, rows):
    figure, table = leaderboard(rows)
    save(figure, table, tmp_path / "leaderboard")
    saved = pd.read_parquet(tmp_path / "leaderboard.parquet")
    pd.testing.assert_frame_equal(saved, table, check_dtype=False)


@pytest.mark.parametrize("kind", DRAWN)
def test_rows_that_were_written_and_read_draw_the_same(tmp_path, rows, kind):
    write(rows, tmp_path / "rows.parquet", {})
    _, table = DRAWN[kind](read(tmp_path))
    _, expected = DRAWN[kind](rows)
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)


def test_context_draws_its_table(rows):
    figure, table = context(rows, "haar")
    drawn = set()
    for axes in figure.axes:
        assert {"bayes", "oracle"} <= set(lines_of(axes))
        for method, line in lines_of(axes).items():
            points = table[table["method"] == method]
            np.testing.assert_array_equal(line.get_xdata(), points["position"].astype(float))
            np.testing.assert_array_equal(line.get_ydata(), points["value"])
            drawn.add(method)
    ran = of_metric(rows, "normalised_error", "haar")
    assert drawn == set(table["method"]) == set(ran["method"])
    last = ran.groupby("method")["iterate"].max()
    assert table.groupby("method")["iterate"].unique().map(list).eq(last.map(lambda k: [k])).all()


def test_iterates_draw_their_table(rows):
    figure, table = iterates(rows, "haar")
    layers, iterations = figure.axes
    families = {name: family for family, name in zip(table["family"], table["method"], strict=True)}
    for axes, kinds in ((layers, ("trained", "constructed")), (iterations, ("solver",))):
        for method, line in lines_of(axes).items():
            assert families[method] in (*kinds, "reference")
            points = table[table["method"] == method]
            if families[method] == "reference":
                assert set(line.get_ydata()) == set(points["value"])
            else:
                np.testing.assert_array_equal(line.get_xdata(), points["iterate"].astype(float))
                np.testing.assert_array_equal(line.get_ydata(), points["value"])
    drawn = set(lines_of(layers)) | set(lines_of(iterations))
    assert drawn == set(table["method"])
    absent = set(of_metric(rows, "normalised_error", "haar")["method"]) - drawn
    note = " ".join(text.get_text() for text in figure.texts)
    assert all(method in note for method in absent)


def test_training_draws_its_table(rows):
    figure, table = training(rows)
    assert [axes.get_title(loc="left") for axes in figure.axes] == sorted(set(table["task"]))
    for axes in figure.axes:
        panel = table[table["task"] == axes.get_title(loc="left")]
        assert (
            set(lines_of(axes)) == set(panel["method"]) == {"gpt2_tiny", "delta", "paired_softmax"}
        )
        for method, line in lines_of(axes).items():
            points = panel[panel["method"] == method]
            np.testing.assert_array_equal(line.get_ydata(), points["value"])
            raw = rows[(rows["metric"] == "training_loss") & (rows["method"] == method)]
            raw = raw[raw["task"] == axes.get_title(loc="left")].pivot(
                index="iterate", columns="seed", values="value"
            )
            np.testing.assert_allclose(points["value"], raw.median(axis=1, skipna=False))
            np.testing.assert_array_equal(points["high"], raw.max(axis=1, skipna=False))


def test_a_diverged_training_ends_in_a_cross(rows):
    figure, table = training(rows)
    noisy = next(axes for axes in figure.axes if axes.get_title(loc="left") == "noisy")
    crosses = [line for line in noisy.lines if line.get_marker() == "x"]
    points = table[(table["task"] == "noisy") & (table["method"] == "delta")]
    last = points.dropna(subset="value").iloc[-1]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [
        (last["iterate"], last["value"])
    ]


def test_similarity_labels_do_not_overlap(all_rows):
    figure, _ = similarity(all_rows, "haar")
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    texts = [title for axes in figure.axes for title in [axes.title] if title.get_text()]
    for axes in figure.axes[:-1]:
        texts += [*axes.texts, axes.yaxis.label, *axes.get_yticklabels()]
    boxes = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    assert len(boxes) > 20
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_similarity_draws_its_table(rows):
    figure, table = similarity(rows, "haar")
    images = [axes.collections[0].get_array() for axes in figure.axes[:-1]]
    groups = table.groupby(["method", "reference"])
    assert len(images) == len(groups)
    expected = [
        group.pivot(index="iterate", columns="reference_iterate", values="value").to_numpy()
        for _, group in groups
    ]
    for image in images:
        assert any(
            image.size == grid.size and np.all(image.ravel() == grid.ravel()) for grid in expected
        )
    best = table[table["best"]]
    assert len(best) == len(table.groupby(["method", "reference", "iterate"]))
    assert len(table["reference"].unique()) == 4
    assert set(table["family"]) == {"trained"}


def test_the_leaderboard_draws_its_table(rows):
    figure, table = leaderboard(rows)
    *families, _ = figure.axes
    tasks = [label.get_text() for label in families[0].get_xticklabels()]
    cells, shades = {}, {}
    for axes in families:
        methods = [label.get_text() for label in axes.get_yticklabels()]
        for text in axes.texts:
            x, y = text.get_position()
            cells[tasks[int(x)], methods[int(y)]] = text.get_text()
        mesh = axes.collections[0].get_array().reshape(len(methods), len(tasks))
        for (line, column), shade in np.ndenumerate(mesh):
            shades[tasks[column], methods[line]] = shade
    assert len(cells) == len(table) == 3 * len(SOME)
    for row in table.itertuples():
        said = {"diverged": "×", "left out": row.letter}
        expected = compact(row.value) if row.status == "ok" else said[row.status]
        assert cells[row.task, row.method] == expected
        if row.status == "ok":
            assert shades[row.task, row.method] == pytest.approx(np.log10(row.value))
    assert table.loc[table["status"] == "diverged", ["task", "method"]].to_numpy().tolist() == [
        ["ill_conditioned", "gd"]
    ]
    ran = table[(table["status"] == "ok") & (table["family"] != "reference")]
    for _, column in ran.groupby("task"):
        exact = column["value"].clip(lower=1e-12)
        assert (column["best"] == (exact == exact.min())).all()
    key = "\n".join(text.get_text() for text in figure.texts)
    for row in table.dropna(subset="letter").itertuples():
        assert f"{row.letter}  {row.reason[:30]}" in key


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("case", ["nothing", "left out", "one seed", "diverged", "alone", "exact"])
def test_poor_rows_are_drawn_too(rows, kind, case):
    rows = rows[rows["task"] == "haar"]
    if case == "nothing":
        rows = rows.iloc[:0]
    if case == "left out":
        rows = left_out(labels("haar", "gd"), "needs scalar outputs")
    if case == "one seed":
        rows = rows[rows["seed"] == 0]
    if case == "diverged":
        rows = rows.assign(value=np.nan, stderr=np.nan, status="diverged")
    if case == "alone":
        rows = rows[rows["method"] == "gpt2_tiny"]
    if case == "exact":
        rows = rows.assign(value=0.0, stderr=0.0)
    figure, table = DRAWN[kind](rows)
    assert_inside(figure)
    said = [text.get_text() for text in figure.texts]
    assert ("nothing was measured" in said) == table.empty


def test_a_method_looks_the_same_whatever_else_its_rows_hold(rows):
    expected = looks(rows)
    assert looks(rows[rows["task"] == "haar"]) == expected
    assert looks(rows.iloc[::-1]) == expected
    assert {method for _, method in expected} == set(SOME)


@pytest.mark.parametrize(
    ("family", "count"), [("trained", 56), ("constructed", 24), ("solver", 40)]
)
def test_methods_of_a_family_look_different_and_neighbours_clearly(family, count):
    names = [f"method_{index:02}" for index in range(count)]
    given = looks(pd.DataFrame({"family": family, "method": names}))
    assert list(given) == [(family, name) for name in names]
    styles = list(given.values())
    assert len(set(map(str, styles))) == count
    colours = [style["color"] for style in styles]
    assert len(set(colours[: len(COLOURS)])) == len(COLOURS)
    assert all(one != other for one, other in pairwise(colours))


def test_families_look_different():
    given = looks(pd.DataFrame([(family, "bayes") for family in FAMILIES], columns=KEYS))
    lines = {family: style for (family, _), style in given.items()}
    assert lines["trained"]["marker"]
    assert lines["trained"]["linestyle"] == "-"
    assert lines["constructed"]["linestyle"] not in ("-", lines["solver"]["linestyle"])
    assert lines["solver"]["linewidth"] < lines["trained"]["linewidth"]
    assert lines["reference"]["color"] == "black"
    oracle = looks(pd.DataFrame([("reference", "oracle")], columns=KEYS))["reference", "oracle"]
    assert oracle["color"] == "0.5"


def test_the_last_quarter_is_averaged():
    value = np.arange(9.0)
    errors = make_rows(
        labels("haar", "gd"),
        metric="normalised_error",
        iterate=[[0], [1]],
        position=np.arange(9),
        value=[value, value * 2],
        stderr=0.5,
        n=8,
    )
    summary = last_quarter(errors).set_index("iterate")
    assert summary["value"].to_dict() == {0: 7.5, 1: 15.0}
    assert summary["stderr"].to_dict() == {0: 0.5, 1: 0.5}
    errors.loc[errors["position"] == 8, "value"] = np.nan
    assert last_quarter(errors)["value"].isna().all()


def test_intervals_are_students_over_seeds_and_normal_over_prompts():
    keys = ["task", "method", "family"]
    one = pd.DataFrame({"task": "a", "method": "gd", "family": "solver", "value": [2.0]})
    row = over_seeds(one.assign(stderr=0.1), keys).iloc[0]
    np.testing.assert_allclose([row["low"], row["high"]], 2 * np.exp([-0.098, 0.098]))
    row = over_seeds(one.assign(stderr=0.1, family="trained"), keys).iloc[0]
    assert row["value"] == pytest.approx(2)
    assert np.isnan([row["low"], row["high"]]).all()

    logs = np.array([0.0, 1.0, 2.0])
    many = pd.DataFrame({"task": "a", "method": "t", "family": "trained", "value": np.exp(logs)})
    row = over_seeds(many.assign(stderr=0.1), keys).iloc[0]
    half = 4.302653 / np.sqrt(3)
    np.testing.assert_allclose(
        np.log([row["low"], row["value"], row["high"]]), [1 - half, 1, 1 + half], rtol=1e-6
    )
    many.loc[1, "value"] = np.nan
    assert over_seeds(many.assign(stderr=0.1), keys)[["value", "low", "high"]].isna().all().all()


def test_synthetic_rows_hold_every_family():
    assert set(METHODS.values()) == set(FAMILIES)


@pytest.mark.parametrize("kind", [*DRAWN, "figure"])
def test_every_figure_has_a_caption_that_can_be_set(kind):
    caption = (Path(__file__).parents[2] / f"workflow/report/{kind}.rst").read_text(
        encoding="utf-8"
    )
    job = SimpleNamespace(rule=f"draw_{kind}", wildcards=SimpleNamespace(figure=f"{kind}_haar"))
    text = Environment(undefined=StrictUndefined).from_string(caption).render(snakemake=job)
    assert publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]


def test_similarity_compares_transformers_with_solvers_alone(rows):
    pairs = rows[rows["metric"] == "similarity"]
    solver = pairs["reference"].iloc[0]
    built = rows.loc[rows["family"] == "constructed", "method"].iloc[0]
    others = [
        pairs[pairs["reference"] == solver].assign(reference=built, value=1.0),
        pairs[pairs["reference"] == solver].assign(method=solver, family="solver", value=1.0),
    ]
    _, table = similarity(pd.concat([rows, *others], ignore_index=True), "haar")
    pd.testing.assert_frame_equal(table, similarity(rows, "haar")[1])

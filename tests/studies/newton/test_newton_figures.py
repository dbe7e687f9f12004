"""The figures of layers and of contexts: what their tables hold is what their panels show."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts

sys.path.insert(0, str(Path(__file__).parent))
from seen import agrees, lines_of, overlaps, panel
from synthetic_newton import (
    ITERATIONS,
    LAYERS,
    NORMAL,
    POSITIONS,
    SEEDS,
    STEPS,
    STUDENT,
    error,
    of_contexts,
    of_layers,
    of_memory,
    of_widths,
)

from iclbench.plotting.saving import save
from iclbench.studies.newton.figures_context import newton_context, newton_memory, newton_width
from iclbench.studies.newton.figures_layers import newton_layers

DRAWN = {
    "newton_layers": newton_layers,
    "newton_context": newton_context,
    "newton_width": newton_width,
    "newton_memory": newton_memory,
}
ROWS = {
    "newton_layers": of_layers,
    "newton_context": of_contexts,
    "newton_width": of_widths,
    "newton_memory": of_memory,
}


@cache
def drawn(kind):
    return DRAWN[kind](ROWS[kind]())


@pytest.mark.parametrize("kind", DRAWN)
def test_a_figure_has_no_overlaps_and_stays_on_the_page(kind):
    figure, _ = drawn(kind)
    assert not overlaps(figure)
    (key,) = figure.legends
    box = key.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.get_figwidth() * figure.dpi


@pytest.mark.parametrize("kind", DRAWN)
def test_no_rows_make_an_empty_figure(kind, tmp_path):
    figure, table = DRAWN[kind](ROWS[kind]().iloc[:0])
    assert table.empty
    assert "nothing was measured" in {text.get_text() for text in figure.texts}
    save(figure, table, tmp_path / kind)
    assert (tmp_path / f"{kind}.pdf").stat().st_size


@pytest.mark.parametrize("kind", DRAWN)
def test_a_diverged_seed_leaves_its_model_without_a_mean_and_the_rest_as_it_was(kind, tmp_path):
    rows = ROWS[kind]()
    method = "newton_width_16" if kind == "newton_width" else "newton_gpt2"
    lost = (rows["method"] == method) & (rows["seed"] == 1)
    assert lost.any()
    broken = rows.assign(
        value=rows["value"].mask(lost),
        stderr=rows["stderr"].mask(lost),
        status=rows["status"].mask(lost, "diverged"),
    )
    figure, table = DRAWN[kind](broken)
    save(figure, table, tmp_path / kind)
    whole = drawn(kind)[1]
    is_its_own = table["method"] == method
    assert table.loc[is_its_own, ["value", "low", "high"]].isna().to_numpy().all()
    assert is_its_own.any()
    pd.testing.assert_frame_equal(table[~is_its_own], whole[whole["method"] != method])


@pytest.mark.parametrize("kind", DRAWN)
def test_means_are_geometric_and_intervals_over_seeds_of_models_and_prompts_of_solvers(kind):
    rows, (_, table) = ROWS[kind](), drawn(kind)
    middle = rows[rows["seed"] == np.where(rows["family"] == "trained", 1, 0)]
    if kind != "newton_memory":
        table = table[table["method"] != "ols"]
    if "metric" in table:
        table = table[table["metric"] != "best_match"]
    assert len(table)
    for row in table.itertuples():
        half = STUDENT if row.family == "trained" else NORMAL
        bounds = [row.value * np.exp(-half), row.value * np.exp(half)]
        assert [row.low, row.high] == pytest.approx(bounds)
        assert np.isclose(row.value, middle.loc[middle["method"] == row.method, "value"]).any()


def test_layers_stand_beside_the_iterations_of_newton_and_the_steps_of_descent():
    figure, table = drawn("newton_layers")
    errors = table[(table["metric"] == "normalised_error") & table["position"].notna()]
    panels = {
        "Layers": ("newton_gpt2_retrained", LAYERS),
        "Newton's iteration": ("newton", ITERATIONS),
        "Gradient descent": ("gd_fixed", STEPS),
    }
    for title, (method, iterates) in panels.items():
        axes = panel(figure, title)
        own = errors[errors["method"] == method]
        assert set(own["iterate"]) == set(iterates)
        lines = lines_of(axes)
        assert {"t = 1", f"t = {POSITIONS[-1]}"} <= lines.keys()
        assert "t = 0" not in lines
        for name, line in lines.items():
            agrees(line, own[own["position"] == int(name.removeprefix("t = "))], "iterate")
        assert axes.get_xscale() == ("log" if method == "gd_fixed" else "linear")


def test_each_layer_has_three_readouts_with_their_errors_and_most_similar_iterates():
    figure, table = drawn("newton_layers")
    readouts = {
        "trained again": "_retrained",
        "trained along": "",
        "least squares": "_least_squares",
    }
    averaged = table[(table["metric"] == "normalised_error") & table["position"].isna()]
    matches = table[table["metric"] == "best_match"]
    panels = {
        "Error by layer": averaged,
        "Most similar Newton iteration": matches[matches["reference"] == "newton"],
        "Most similar gradient step": matches[matches["reference"] == "gd_fixed"],
    }
    for title, shown in panels.items():
        lines = lines_of(panel(figure, title))
        assert set(lines) == {f"readouts {words}" for words in readouts}
        for place, (words, suffix) in enumerate(readouts.items()):
            own = shown[shown["method"] == "newton_gpt2" + suffix]
            assert list(own.sort_values("iterate")["iterate"]) == list(LAYERS)
            agrees(lines[f"readouts {words}"], own, "iterate", shift=0.08 * (place - 1))
    along = averaged[averaged["method"] == "newton_gpt2"].sort_values("iterate")
    expected = [error(0.5, layer, POSITIONS).mean() for layer in LAYERS]
    np.testing.assert_allclose(along["value"].astype(float), expected)


def test_a_model_that_two_sources_measure_counts_once():
    _, table = drawn("newton_layers")
    assert set(table.loc[table["family"] == "trained", "seeds"]) == {len(SEEDS)}
    assert "newton_lstm" not in set(table["method"])


def contexts(rows=None):
    figure, table = drawn("newton_context") if rows is None else newton_context(rows)
    solvers = {"Newton's iteration": "Newton", "gradient descent": "GD"}
    for task in sorted(set(table["task"])):
        for words, short in solvers.items():
            axes = panel(figure, f"{task.replace('_', ' ')}: {words}")
            yield task, short, lines_of(axes), table[table["task"] == task]


def test_a_context_panel_shows_iterates_of_its_own_solver_alone():
    for task, short, lines, table in contexts():
        descent = "gd_fixed_ill_conditioned" if task == "ill_conditioned" else "gd_fixed"
        method, all_of_them = ("newton", ITERATIONS) if short == "Newton" else (descent, STEPS)
        own = table[table["method"] == method]
        assert set(own["iterate"]) == set(all_of_them)
        drawn = [int(name.split()[1]) for name in lines if name.startswith(f"{short} ")]
        assert drawn == sorted(drawn)
        assert len(drawn) == 4
        assert [drawn[0], drawn[-1]] == [all_of_them[0], all_of_them[-1]]
        for iterate in drawn:
            agrees(lines[f"{short} {iterate}"], own[own["iterate"] == iterate], "position")
        other = "GD " if short == "Newton" else "Newton "
        assert not any(name.startswith(other) for name in lines)


def test_trained_models_are_drawn_at_their_last_layer_without_the_series_of_widths():
    models = {"newton_gpt2": "newton gpt2", "newton_gpt2_24": "newton gpt2 24"}
    for task, short, lines, table in contexts():
        named = models
        if task != "linear":
            named = {f"newton_gpt2_{task}": "newton gpt2"}
        others = {name for name in lines if not name.startswith(f"{short} ")}
        assert others - {"Bayes", "least squares"} == set(named.values())
        for method, name in named.items():
            own = table[table["method"] == method]
            assert set(own["iterate"]) == {LAYERS[-1]}
            agrees(lines[name], own, "position")


@pytest.mark.parametrize("method", ["newton", "gd_fixed", "newton_gpt2", "ols", "bayes"])
def test_a_method_that_was_not_run_leaves_the_others_as_they_were(method):
    rows = of_widths()
    shown = list(contexts(rows[rows["method"] != method]))
    whole = {short: lines for task, short, lines, _ in contexts() if task == "linear"}
    words = {"newton_gpt2": "newton gpt2", "ols": "least squares"}
    for _, short, lines, _ in shown:
        gone = {words.get(method)}
        if {"newton": "Newton", "gd_fixed": "GD"}.get(method) == short:
            gone = {name for name in whole[short] if name.startswith(f"{short} ")}
        if method == "ols":
            assert reference(lines) == "Bayes"
        assert lines.keys() - {"Bayes"} == whole[short].keys() - gone
    assert len(shown) == 2


def reference(lines) -> str:
    (found,) = {"Bayes", "least squares"} & lines.keys()
    return found


def test_the_reference_is_bayes_where_it_differs_from_least_squares():
    for task, _, lines, table in contexts():
        name = reference(lines)
        assert name == ("Bayes" if task == "noisy" else "least squares")
        own = table[table["method"] == ("bayes" if name == "Bayes" else "ols")]
        agrees(lines[name], own, "position")


def test_a_bayes_predictor_that_differs_by_rounding_is_least_squares():
    rows = of_widths()
    best = rows["method"].isin(["bayes", "ols"])
    is_bayes = rows["method"] == "bayes"
    factor = np.where(is_bayes, 1 + 1e-9, 1)
    # From here on the labels are known, and what is left is rounding.
    solved = (best & (rows["position"] > 4)).fillna(False).to_numpy(dtype=bool)
    factor = np.where(solved, np.where(is_bayes, 3e-31, 2e-29) / rows["value"], factor)
    rows = rows.assign(value=rows["value"] * factor, stderr=rows["stderr"] * factor)
    assert {reference(lines) for _, _, lines, _ in contexts(rows)} == {"least squares"}


def test_widths_are_drawn_against_the_context_and_at_its_end():
    figure, table = drawn("newton_width")
    widths = (4, 8, 16, 32)
    assert set(table["method"]) == {"ols", *(f"newton_width_{width}" for width in widths)}
    assert set(table.loc[table["family"] == "trained", "iterate"]) == {LAYERS[-1]}
    course, end = (
        panel(figure, f"Error {words}") for words in ("against context", "with all pairs seen")
    )
    lines = lines_of(course)
    assert set(lines) == {"least squares", *(f"width {width}" for width in widths)}
    ends = [container.lines[0].get_data() for container in end.containers]
    for width, point in zip(widths, ends, strict=True):
        own = table[table["width"] == width]
        agrees(lines[f"width {width}"], own, "position")
        agrees(point, own[own["position"] == POSITIONS[-1]], "width")


def test_what_is_forgotten_stands_beside_the_errors_of_the_same_methods_on_new_queries():
    figure, table = drawn("newton_memory")
    last = {
        "newton_gpt2": LAYERS[-1],
        "newton_lstm": LAYERS[-1],
        "newton": ITERATIONS[-1],
        "ols": 0,
    }
    assert set(table["method"]) == last.keys()
    new, old = (table[table["metric"] == name] for name in ("normalised_error", "recall_error"))
    lines = lines_of(panel(figure, "New queries"))
    assert set(lines) == {method.replace("_", " ") for method in last}
    by_colour = {
        line.get_color(): tuple(np.asarray(each, dtype=float) for each in line.get_data())
        for line in panel(figure, "Queries that were seen before").lines
    }
    colours = {line.get_label(): line.get_color() for line in panel(figure, "New queries").lines}
    assert len(by_colour) == len(last)
    for method, iterate in last.items():
        name = method.replace("_", " ")
        own = new[new["method"] == method]
        assert set(own["iterate"]) == {iterate}
        agrees(lines[name], own, "position")
        agrees(by_colour[colours[name]], old[old["method"] == method], "gap")


@pytest.mark.parametrize("kind", DRAWN)
def test_captions_are_valid_text(kind):
    root = Path(__file__).parents[3]
    caption = (root / "workflow" / "report" / f"{kind}.rst").read_text(encoding="utf-8")
    assert publish_parts(caption, writer="html", settings_overrides={"halt_level": 2}).get("body")

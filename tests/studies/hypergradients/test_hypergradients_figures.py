"""The figures of hypergradients: they draw their tables, on the page, whatever the rows."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from seen import assert_inside, lines_of, overlaps, panel
from synthetic_hypergradients import SEEDS, of_depths, of_errors, of_ratios

from iclbench.plotting.saving import save
from iclbench.studies.hypergradients.figures_errors import hypergradient_errors
from iclbench.studies.hypergradients.figures_in_context import hypergradient_depth, ridge_tuning
from iclbench.studies.hypergradients.looks import LOOKS

DRAWN = {
    "hypergradient_errors": (hypergradient_errors, of_errors),
    "hypergradient_depth": (hypergradient_depth, of_depths),
    "ridge_tuning": (ridge_tuning, of_ratios),
}
CASES = ("all", "empty", "one seed", "a seed diverged", "one measurement")


def rows_of(kind, case) -> pd.DataFrame:
    make = DRAWN[kind][1]
    rows = make(SEEDS[:1] if case == "one seed" else SEEDS)
    if case in ("one seed", "a seed diverged"):
        # Fewer panels, which take less time to draw.
        rows = rows[rows["task"].isin(rows["task"].unique()[-3:][:2])].reset_index(drop=True)
    if case == "empty":
        return rows.iloc[:0]
    if case == "one measurement":
        return rows[rows["task"] == rows["task"].iloc[-1]]
    if case == "a seed diverged":
        is_gone = (rows["seed"] == 1) & (rows["iterate"] != 2)
        rows.loc[is_gone, ["value", "status"]] = [np.nan, "diverged"]
    return rows


@cache
def drawn(kind):
    """Return the figure of whole rows, which takes most of a test's time to draw."""
    return DRAWN[kind][0](rows_of(kind, "all"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", DRAWN)
def test_any_rows_are_drawn_on_the_page_without_overlaps(kind, case):
    figure, table = drawn(kind) if case == "all" else DRAWN[kind][0](rows_of(kind, case))
    assert figure.get_figwidth() <= 7
    assert_inside(figure)
    # The words for nothing stand inside the empty panel.
    hits = overlaps(figure)
    assert table.empty == (case == "empty")
    assert all("nothing was measured" in hit for hit in hits), hits


@pytest.mark.parametrize("kind", DRAWN)
def test_all_words_can_be_read(kind):
    figure, _ = drawn(kind)
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    texts += [text for key in figure.legends for text in key.get_texts()]
    texts += [label for axes in figure.axes for label in axes.get_xticklabels()]
    assert all(text.get_fontsize() >= 6.5 for text in texts)


@pytest.mark.parametrize("kind", DRAWN)
def test_equal_rows_give_equal_files(kind, tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        save(*DRAWN[kind][0](rows_of(kind, "one measurement")), tmp_path / folder / kind)
    for suffix in ("pdf", "png", "parquet"):
        one, other = (tmp_path / folder / f"{kind}.{suffix}" for folder in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", DRAWN)
def test_captions_are_valid_text(kind):
    root = Path(__file__).parents[3]
    caption = (root / "workflow" / "report" / f"{kind}.rst").read_text(encoding="utf-8")
    assert publish_parts(caption, writer="html", settings_overrides={"halt_level": 2}).get("body")


def test_an_estimator_has_one_look_in_all_figures():
    seen: dict[str, set[tuple[str, str]]] = {}
    for kind in ("hypergradient_errors", "hypergradient_depth"):
        figure, _ = drawn(kind)
        for axes in figure.axes:
            for line in axes.lines:
                look = (to_hex(line.get_color()), str(line.get_marker()))
                seen.setdefault(str(line.get_label()), set()).add(look)
    named = {look.name: seen[look.name] for look in LOOKS.values()}
    assert all(len(looks) == 1 for looks in named.values())
    assert len(set.union(*named.values())) == len(LOOKS)


def test_errors_are_medians_at_median_distances():
    rows = of_errors()
    figure, table = drawn("hypergradient_errors")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "ridge, affine (1)",
        "ridge, affine (2)",
        "ridge, quadratic (1)",
        "ridge, quadratic (2)",
        "logistic, weak penalty",
        "a new one",
    ]
    for task, title, method in (
        ("diabetes_quadratic", "ridge, quadratic (1)", "reparameterised_ideal"),
        ("diabetes_quadratic", "ridge, quadratic (2)", "vanilla"),
        ("cancer_weak", "logistic, weak penalty", "preconditioned_newton"),
    ):
        own_rows = rows[rows["task"] == task]
        of = own_rows.pivot_table(
            index="iterate", columns=["metric", "method"], values="value", aggfunc="median"
        )
        wanted = of.sort_values(("distance", "inner"))
        x, y = lines_of(panel(figure, title))[LOOKS[method].name]
        np.testing.assert_allclose(x, wanted["distance", "inner"], rtol=1e-12)
        np.testing.assert_allclose(y, wanted["hypergradient_error", method], rtol=1e-12)
    assert set(table["metric"]) == {"hypergradient_error", "slope"}


def test_exact_errors_are_drawn_at_rounding():
    figure, _ = drawn("hypergradient_errors")
    lines = lines_of(panel(figure, "ridge, affine (1)"))
    assert set(lines) == {"Newton precond.", "ideal reparam."}
    assert all((y == 1e-16).all() for _, y in lines.values())


def test_slopes_are_of_four_decades_or_else_three_and_named_where_there_is_none():
    rows = of_errors()
    is_short = (rows["task"] == "cancer_weak") & (rows["method"] == "vanilla")
    figure, _ = hypergradient_errors(
        rows[~(is_short & rows["reference_iterate"].eq(4).fillna(False))]
    )
    words = {
        axes.get_title(loc="left"): [text.get_text() for text in axes.texts] for axes in figure.axes
    }
    assert words["ridge, affine (1)"] == ["Newton exact", "ideal repar. exact"]
    assert words["ridge, quadratic (1)"] == ["Newton exact", "ideal repar. 1.01"]
    assert words["logistic, weak penalty"][:3] == [
        "vanilla 1.11",
        "diag. precond. 1.01",
        "Newton 2.01",
    ]


def test_slopes_hide_no_line():
    figure, _ = drawn("hypergradient_errors")
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent(renderer) for text in axes.texts]
        for one, other in pairwise(boxes):
            assert one.y0 >= other.y1 - 1.5
        for line in axes.lines:
            data = np.column_stack([np.asarray(part, dtype=float) for part in line.get_data()])
            at = axes.transData.transform(data)
            fine = np.linspace(0, len(at) - 1, 500)
            course = [np.interp(fine, np.arange(len(at)), part) for part in at.T]
            assert not any(
                box.contains(*point) for box in boxes for point in zip(*course, strict=True)
            )


def test_guides_have_slopes_1_and_2():
    figure, _ = drawn("hypergradient_errors")
    lines = lines_of(panel(figure, "logistic, weak penalty"))
    for slope in (1, 2):
        x, y = np.log(lines[f"slope {slope}"])
        assert np.diff(y) / np.diff(x) == pytest.approx(slope)
    assert "slope 1" not in lines_of(panel(figure, "ridge, affine (1)"))


def test_depths_are_medians_and_exact_ones_have_a_strip():
    rows = of_depths()
    figure, _ = drawn("hypergradient_depth")
    upper, strip = figure.axes
    assert set(lines_of(strip)) == {"Newton precond."}
    assert (lines_of(strip)["Newton precond."][1] == 1e-16).all()
    lines = lines_of(upper)
    for name, method in (
        ("vanilla", "vanilla"),
        ("unrolled", "unrolled"),
        ("distance of $w_k$", "inner"),
    ):
        wanted = rows[rows["method"] == method].groupby("iterate")["value"].median()
        np.testing.assert_array_equal(lines[name][0], wanted.index)
        np.testing.assert_allclose(lines[name][1], wanted, rtol=1e-12)
    assert len(lines) == len(LOOKS)
    assert upper.get_xlim() == strip.get_xlim()
    alone, _ = hypergradient_depth(rows[rows["method"] != "preconditioned_newton"])
    assert len(alone.axes) == 1


def test_ratios_are_geometric_means_and_columns_are_measurements():
    rows = of_ratios()
    figure, _ = drawn("ridge_tuning")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["noise 0.1", "noise 2", "noise 0.1 to 2", "tuning other", "", "", "", ""]
    for index, metric in ((1, "error_ratio"), (5, "excess_ratio")):
        lines = {str(line.get_label()): line.get_data() for line in figure.axes[index].lines}
        for name, method in (
            ("bilevel", "bilevel"),
            ("λ = 0.01", "fixed_1e-2"),
            ("λ = 10", "fixed_1e1"),
        ):
            chosen = (rows["metric"] == metric) & (rows["method"] == method)
            chosen &= rows["task"] == "tuning_2"
            wanted = np.exp(
                np.log(rows[chosen].set_index("position")["value"]).groupby("position").mean()
            )
            np.testing.assert_array_equal(lines[name][0], wanted.index.astype(float))
            np.testing.assert_allclose(lines[name][1], wanted, rtol=1e-12)
        assert set(lines) >= {"oracle", "λ = 0.1", "λ = 1", "cross-validated"}


def test_fixed_penalties_darken_as_they_grow():
    figure, _ = drawn("ridge_tuning")
    colours = {str(line.get_label()): line.get_color() for line in figure.axes[0].lines}
    light = [sum(colours[name][:3]) for name in ("λ = 0.01", "λ = 0.1", "λ = 1", "λ = 10")]
    assert (np.diff(light) < 0).all()

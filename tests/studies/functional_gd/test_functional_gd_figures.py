"""The figures of the study: they draw their tables, in looks that are a method's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts
from matplotlib.colors import to_hex
from seen import overlaps

from iclbench.plotting.saving import save
from iclbench.records import make_rows
from iclbench.studies.functional_gd.figures import (
    ATTENTIONS,
    functional_gd_context,
    functional_gd_depth,
)
from iclbench.studies.functional_gd.figures_stationary import functional_gd_stationary

LABELS = {"study": "functional_gd", "scale": "smoke", "config": "c", "code": "d", "seed": 0}
DRAWN = {
    "functional_gd_context": functional_gd_context,
    "functional_gd_depth": functional_gd_depth,
    "functional_gd_stationary": functional_gd_stationary,
}
SEEDS = np.arange(3)


def own(task, method):
    family = "reference" if method == "bayes" else "trained"
    return {**LABELS, "task": task, "method": method, "family": family}


def of_losses() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    tables = []
    for law, prior in {"linear": 1e-15, "relu": 0.8, "composite": 1.5}.items():
        for n in (2, 6, 14):
            same = {"metric": "loss", "position": n, "seed": SEEDS, "n": 9}
            bayes = np.full(3, prior / n)
            task = f"{law}_{'few' if n < 10 else 'many'}"
            tables.append(make_rows(own(task, "bayes"), value=bayes, iterate=0, **same))
            for method in ("linear", "relu", "softmax", "linear_exponential", "linear_full"):
                for depth in (1, 3) if n == 14 and method != "linear_full" else (3,):
                    value = bayes + rng.uniform(0.5, 1, 3) / depth
                    tables.append(make_rows(own(task, method), value=value, iterate=depth, **same))
    return pd.concat(tables, ignore_index=True)


def of_distances() -> pd.DataFrame:
    tables = [
        make_rows(
            own("approach", method),
            metric=metric,
            position=14,
            reference_iterate=layer,
            iterate=step,
            value=np.exp(-step / 50 * layer) * np.ones(3),
            seed=SEEDS,
            n=1,
        )
        for method in ("linear", "softmax", "linear_full", "softmax_full")
        for metric in ("product_distance", "value_distance")
        if metric == "product_distance" or method.endswith("full")
        for layer in (1, 2)
        for step in (0, 50, 100)
    ]
    return pd.concat(tables, ignore_index=True)


ROWS = {
    "functional_gd_context": of_losses,
    "functional_gd_depth": of_losses,
    "functional_gd_stationary": of_distances,
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_figure_has_no_overlaps_and_stays_on_the_page(kind):
    figure, _ = DRAWN[kind](ROWS[kind]())
    assert not overlaps(figure)
    width = figure.get_figwidth() * figure.dpi
    for key in figure.legends:
        box = key.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= width


@pytest.mark.parametrize("kind", DRAWN)
def test_no_rows_make_an_empty_figure(kind, tmp_path):
    rows = ROWS[kind]()
    figure, table = DRAWN[kind](rows.iloc[:0])
    assert table.empty
    save(figure, table, tmp_path / kind)
    assert (tmp_path / f"{kind}.pdf").stat().st_size


@pytest.mark.parametrize("kind", DRAWN)
def test_a_method_has_one_look_in_all_panels(kind):
    figure, _ = DRAWN[kind](ROWS[kind]())
    looks: dict[str, set[tuple[str, str]]] = {}
    for panel in figure.axes:
        for line in panel.lines:
            look = (to_hex(line.get_color()), str(line.get_marker()))
            looks.setdefault(str(line.get_label()), set()).add(look)
    assert all(len(look) == 1 for look in looks.values())
    assert {label for label, _ in ATTENTIONS.values()} & looks.keys()


def test_panels_are_laws_and_a_bayes_loss_of_zero_is_not_drawn():
    figure, table = functional_gd_context(of_losses())
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "labels: linear kernel",
        "labels: ReLU kernel",
        "labels: linear + exponential kernel",
    ]
    assert set(table.loc[table["family"] == "trained", "iterate"]) == {3}
    for axes, is_drawn in zip(figure.axes, (False, True, True), strict=True):
        (bayes,) = (line for line in axes.lines if line.get_label() == "Bayes")
        assert (np.size(bayes.get_xdata()) > 0) == is_drawn


def test_depth_is_drawn_where_there_is_more_than_one():
    figure, table = functional_gd_depth(of_losses())
    assert set(table["position"]) == {14}
    assert len(figure.axes) == 3
    drawn = figure.axes[1].get_legend_handles_labels()[1]
    assert "Bayes" in drawn
    own = table[(table["law"] == "relu") & (table["method"] == "linear")]
    assert list(own.sort_values("iterate")["iterate"]) == [1, 3]


def test_distances_are_averaged_over_layers():
    _, table = functional_gd_stationary(of_distances())
    row = table[(table["method"] == "linear") & (table["iterate"] == 50)].iloc[0]
    assert row["value"] == pytest.approx((np.exp(-1) + np.exp(-2)) / 2)


@pytest.mark.parametrize("kind", DRAWN)
def test_captions_are_valid_text(kind):
    root = Path(__file__).parents[3]
    caption = (root / "workflow" / "report" / f"{kind}.rst").read_text(encoding="utf-8")
    assert publish_parts(caption, writer="html", settings_overrides={"halt_level": 2}).get("body")

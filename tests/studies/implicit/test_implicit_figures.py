"""The figure of inner iterations: it draws its table, on the page, whatever the rows."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts
from seen import assert_inside, overlaps, panel

from iclbench.plotting.saving import save
from iclbench.records import make_rows
from iclbench.studies.implicit.figures import METRICS, TITLES, inner_iterations

SEEDS = np.arange(3)
FRACTIONS = np.array([0.5, 1, 2, 4, 6, 50])


def rows_of(seeds=SEEDS, names=tuple(TITLES)):
    tables = []
    for place, name in enumerate(names):
        task = "affine" if place < 4 else name
        method = "step_size" if name.startswith("step") else name
        family = "trained" if name in ("looped", "equilibrium") else "reference"
        about = {"study": "implicit", "scale": "smoke", "config": "c", "code": "d", "seed": 0}
        about |= {"task": task, "method": method, "family": family}
        for metric in METRICS:
            for count in (4, 10):
                values = np.log(FRACTIONS) * (-1) ** place * (1 + 0.1 * seeds[:, None])
                tables.append(
                    make_rows(
                        about,
                        metric=metric,
                        iterate=(count * FRACTIONS).astype(int)[None],
                        value=values,
                        n=10,
                        reference="trained",
                        reference_iterate=count,
                        seed=seeds[:, None],
                    )
                )
    return pd.concat(tables, ignore_index=True)


def poor(case):
    rows = rows_of()
    match case:
        case "nothing":
            return rows.iloc[:0]
        case "one seed":
            return rows_of(SEEDS[:1])
        case "one panel":
            return rows[rows["method"] == "looped"]
        case "a seed diverged":
            rows.loc[rows["seed"] == 1, ["value", "status"]] = [np.nan, "diverged"]
    return rows


@cache
def whole():
    return inner_iterations(rows_of())


@pytest.mark.parametrize("case", ["all", "nothing", "one seed", "one panel", "a seed diverged"])
def test_any_rows_are_drawn_on_the_page_without_overlaps(case):
    figure, table = whole() if case == "all" else inner_iterations(poor(case))
    assert figure.get_figwidth() <= 7.01
    assert_inside(figure)
    # The words for nothing stand inside the empty panel.
    hits = overlaps(figure)
    assert all("nothing was measured" in hit for hit in hits), hits
    assert table.empty == (case == "nothing")


def test_lines_are_medians_over_seeds_by_the_ratio():
    figure, table = whole()
    for name, title in TITLES.items():
        axes = panel(figure, title)
        for line in axes.lines:
            label = str(line.get_label())
            if not label.startswith("N = "):
                continue
            x, y = line.get_data()
            own = table[(table["panel"] == name) & (table["metric"] == "relative_difference")]
            own = own[own["reference_iterate"] == int(label.removeprefix("N = "))]
            np.testing.assert_allclose(x, own["iterate"] / own["reference_iterate"])
            np.testing.assert_allclose(y, own["value"].clip(-10, 10))
            assert x.max() <= 8


def test_equal_rows_give_equal_files(tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        save(*inner_iterations(poor("one panel")), tmp_path / folder / "figure")
    for suffix in ("pdf", "png", "parquet"):
        one, other = (tmp_path / folder / f"figure.{suffix}" for folder in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


def test_the_caption_is_valid():
    caption = Path(__file__).parents[3] / "workflow" / "report" / "inner_iterations.rst"
    settings = {"halt_level": 2, "report_level": 2}
    publish_parts(caption.read_text("utf-8"), writer="html5", settings_overrides=settings)

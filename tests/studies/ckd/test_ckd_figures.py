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
from matplotlib.backends.backend_agg import FigureCanvasAgg

from iclbench.claims.claim import Claim
from iclbench.claims.verdicts import decide
from iclbench.plotting.saving import save
from iclbench.registry import find, locations
from iclbench.studies.ckd.drawing import described, over_quantiles
from iclbench.studies.ckd.figures_limits import short

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


def rows_of(names, seeds=2) -> pd.DataFrame:
    return pd.concat([table_of(name, seeds) for name in names], ignore_index=True)


def of_kind(kind, seeds=2) -> pd.DataFrame:
    names = next(figure["from"] for figure in FIGURES.values() if figure["kind"] == kind)
    return rows_of(names, seeds)


def drawn(kind, rows):
    module, _, name = locations("figures")[kind].partition(":")
    return getattr(import_module(module), name)(rows)


def assert_readable(figure) -> None:
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    page = figure.bbox
    assert figure.get_figwidth() <= 7.0 + 1e-9
    for artist in (*figure.axes, *figure.texts, *figure.legends):
        box = artist.get_tightbbox(renderer)
        assert box.x0 >= page.x0 - 1, artist
        assert box.y0 >= page.y0 - 1, artist
        assert box.x1 <= page.x1 + 1, artist
        assert box.y1 <= page.y1 + 1, artist
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
    others = rows[rows["metric"] == "error"].assign(method="gpt2", family="trained")
    _, table = drawn(kind, pd.concat([rows, others], ignore_index=True))
    assert len(table) == len(drawn(kind, rows)[1])


@pytest.mark.parametrize("kind", KINDS)
def test_captions_are_restructured_text(kind) -> None:
    caption = (ROOT / "workflow" / "report" / f"{kind}.rst").read_text(encoding="utf-8")
    assert "seed" in caption
    publish_parts(caption, settings_overrides={"halt_level": 2, "report_level": 2})


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
    ]
    assert found["step"].isna().tolist() == [True, False, True]
    assert found.loc[2, ["tau", "dim"]].tolist() == [5, 7]


def test_numbers_in_cells_are_short() -> None:
    values = np.geomspace(1e-99, 1e99, 1999)
    assert max(len(short(value)) for value in values if 1e-9 < value < 1e99) == 4
    assert (short(0.0), short(np.nan)) == ("0", "×")


@pytest.mark.parametrize("name", [*STUDY["claims"], *STUDY["controls"]])
def test_claims_of_exact_theory_hold_and_controls_fail_with_few_seeds(name) -> None:
    settings = (STUDY["claims"] | STUDY["controls"])[name]
    claim = Claim.model_validate(settings)
    assert set(claim.evidence) <= set(STUDY["measurements"])
    assert claim.figure is None or claim.figure in FIGURES
    expected = "supported" if "smoke" in claim.scales else "not run"
    if name in STUDY["controls"]:
        expected = "refuted"
    assert decide(claim, rows_of(claim.evidence), "smoke", name).word == expected

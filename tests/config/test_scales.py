"""What a scale changes of a study, and leaves out of it."""

import pytest
from small_settings import METHODS, RUN, SCALE, write

from iclbench.config.faults import ConfigError
from iclbench.config.reading import read_config
from iclbench.planning import make_plan


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path)


VARIANT = "variants: {mine: {of: tiny, model: {layers: 3}, training: {steps: 99, batch: 7}}}\n"


MEASURED = """\
measurements:
  one: {kind: newton_identities}
  two: {kind: newton_identities, seeds: 3}
figures:
  board: {kind: leaderboard}
  of_one: {kind: newton_table, from: [one]}
  of_both: {kind: newton_table, from: [one, two]}
"""


def read(folder, study, overlay=""):
    (folder / "studies" / "main.yaml").write_text(METHODS + study)
    laid = f"studies: {{main: {overlay}}}\n" if overlay else ""
    (folder / "scales" / "small.yaml").write_text(SCALE + laid)
    return read_config(RUN, folder)


def variant(folder, scale=""):
    (folder / "studies" / "main.yaml").write_text(METHODS + VARIANT)
    (folder / "scales" / "small.yaml").write_text(SCALE + scale)
    return read_config(RUN, folder).variants["main"]["mine"]


def test_a_variant_is_its_file_otherwise_set(folder):
    found = variant(folder)
    assert (found.model.layers, found.model.width) == (3, 16)
    assert (found.training.steps, found.training.batch) == (99, 7)
    assert found.training.learning_rate == 1e-3


def test_a_scale_says_how_a_variant_is_trained_and_not_what_it_is(folder):
    found = variant(
        folder, "models: {tiny: {model: {layers: 5, width: 8}, training: {steps: 4}}}\n"
    )
    assert (found.model.layers, found.model.width) == (3, 8)
    assert (found.training.steps, found.training.batch) == (4, 7)


def test_what_a_scale_says_of_a_variant_itself_comes_last(folder):
    found = variant(
        folder,
        "models: {tiny: {training: {steps: 4}}}\n"
        "studies: {main: {variants: {mine: {training: {steps: 5}}}}}\n",
    )
    assert (found.training.steps, found.training.batch) == (5, 7)


def test_null_leaves_a_variant_out(folder):
    assert read(folder, VARIANT, "{variants: {mine: null}}").variants["main"] == {}


def test_null_leaves_a_measurement_out_and_figures_draw_the_rest(folder):
    study = read(folder, MEASURED, "{measurements: {one: null}}").studies["main"]
    assert list(study.measurements) == ["two"]
    assert {name: figure.tables for name, figure in study.figures.items()} == {
        "board": [],
        "of_both": ["two"],
    }


def test_null_leaves_a_figure_out(folder):
    study = read(folder, MEASURED, "{figures: {of_one: null}}").studies["main"]
    assert set(study.figures) == {"board", "of_both"}


@pytest.mark.parametrize("key", ["variants", "measurements", "figures"])
def test_what_is_not_there_cannot_be_left_out(folder, key):
    with pytest.raises(ConfigError, match=rf"{key}\.ones: there is no 'ones' to leave out"):
        read(folder, MEASURED + VARIANT, f"{{{key}: {{ones: null}}}}")


def test_the_file_of_a_study_itself_says_no_null(folder):
    with pytest.raises(ConfigError, match=r"measurements\.three"):
        read(folder, MEASURED.replace("figures:", "  three: null\nfigures:"))


def test_a_variant_of_two_studies_is_trained_once_where_it_is_the_same(folder):
    other = VARIANT.replace("layers: 3", "layers: 2")
    line = "summary: A line.\nlength: 9\nregression: {kind: linear, dim: 2}\n"
    (folder / "tasks" / "line.yaml").write_text(line)
    (folder / "studies" / "second.yaml").write_text(METHODS + VARIANT)
    config = read(folder, VARIANT)
    assert config.variants["main"] == config.variants["second"]
    plan = make_plan(config)
    assert [name for name in plan.texts if name.startswith("train/")] == [
        "train/line/tiny",
        "train/line/mine",
    ]
    for study, overlay in (
        (other, ""),
        (VARIANT, "{seeds: 1}"),
        (VARIANT, "{variants: {mine: {training: {steps: 5}}}}"),
    ):
        with pytest.raises(ConfigError, match=r"'mine' is a variant in .*main\.yaml with other"):
            read(folder, study, overlay)

"""A plan that is kept is the plan that would be made."""

import json
import shutil
from pathlib import Path

import pytest

import iclbench.planned
from iclbench.config.faults import ConfigError
from iclbench.planned import planned

CONFIG = Path(__file__).parent.parent / "config"
STUDY = {
    "summary": "One.",
    "tasks": ["haar", "linear"],
    "solvers": ["zero"],
    "models": ["augmented"],
    "measurements": {"words": {"kind": "icar_text", "text": "words.txt"}},
    "figures": {"curves": {"kind": "training"}, "each": {"kind": "context"}},
    "claims": {
        "one": {
            "statement": "Zero is bad.",
            "place": "here",
            "provenance": "derived",
            "evidence": ["linear", "words"],
            "statistic": {"kind": "value"},
            "criterion": {"above": 0},
            "scales": ["smoke"],
            "figure": "curves",
        }
    },
}
RUN = {"scale": "smoke", "studies": ["mine"], "strict": True}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(CONFIG, tmp_path / "config", ignore=shutil.ignore_patterns("studies", "scales"))
    (tmp_path / "config/studies").mkdir()
    (tmp_path / "config/studies/mine.yaml").write_text(json.dumps(STUDY))
    (tmp_path / "config/scales").mkdir()
    (tmp_path / "config/scales/smoke.yaml").write_text("summary: Tiny.\nseeds: 2\nprompts: 8\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made(monkeypatch):
    """The list that grows by one whenever a plan is made."""
    calls = []
    make = iclbench.planned._make

    def counted(*arguments):
        calls.append(arguments)
        return make(*arguments)

    monkeypatch.setattr(iclbench.planned, "_make", counted)
    return calls


def look(run=RUN):
    return planned(run, Path("config"), Path("memory"))


def test_what_is_kept_is_what_was_made(folder, made):
    first = look()
    assert look() == first
    assert len(made) == 1
    assert first.strict
    assert first.megabytes.keys() >= {"train/haar/augmented", "predict/mine/haar"}


@pytest.mark.parametrize("name", ["tasks/haar", "models/augmented", "solvers/zero", "studies/mine"])
def test_other_settings_make_another_plan(folder, made, name):
    before = look()
    path = folder / f"config/{name}.yaml"
    content = path.read_text()
    path.write_text(f"{content}\n# A remark.")
    assert look() == before
    assert len(made) == 2
    path.write_text(content)
    path.touch()
    look()
    look()
    assert len(made) == 3


def test_a_file_more_or_less_makes_another_plan(folder, made):
    before = look()
    shutil.copy("config/tasks/haar.yaml", "config/tasks/mine.yaml")
    look(RUN | {"studies": ["mine"]})
    Path("config/tasks/mine.yaml").unlink()
    assert look() == before
    assert len(made) == 3


def test_a_folder_that_is_a_link_is_looked_into(folder, made):
    tasks = Path("config/tasks").rename(folder / "elsewhere")
    Path("config/tasks").symlink_to(tasks)
    look()
    path = tasks / "haar.yaml"
    path.write_text(path.read_text() + "\n# A remark.")
    look()
    assert len(made) == 2


def test_other_words_of_the_command_line_make_another_plan(folder, made):
    look()
    assert not look(RUN | {"strict": False}).strict
    look(RUN | {"seed": 5})
    assert len(made) == 3


def test_a_file_that_a_measurement_reads_makes_another_plan(folder, made):
    without = look()
    Path("words.txt").write_text("one two")
    with_words = look()
    assert with_words.plan.texts != without.plan.texts
    Path("words.txt").write_text("two one")
    assert look().plan.texts != with_words.plan.texts
    look()
    assert len(made) == 3


@pytest.mark.parametrize(
    "damaged",
    [
        lambda text: text[:-9],
        lambda text: text.replace("smoke", "snoke"),
        lambda text: "",
        lambda text: "[]\n[]",
    ],
)
def test_a_damaged_file_is_passed_over_and_mended(folder, made, damaged):
    first = look()
    kept = Path("memory/plan.json")
    text = kept.read_text()
    kept.write_text(damaged(text))
    assert look() == first
    assert kept.read_text() == text
    assert len(made) == 2


def test_a_change_of_our_sources_or_of_a_library_makes_another_plan(folder, made, monkeypatch):
    look()
    source = folder / "other.py"
    source.write_text("")
    sources = list(iclbench.planned._sources(Path(iclbench.planned.__file__).parent))
    assert {path.name for path in sources} >= {"planned.py", "haar.py", "page.html.j2"}
    monkeypatch.setattr(iclbench.planned, "_sources", lambda _: [*sources, source])
    look()
    monkeypatch.setattr(iclbench.planned, "version_of", lambda _: "0")
    look()
    assert len(made) == 3


def test_with_kinds_of_another_package_nothing_is_kept(folder, made, monkeypatch):
    groups = type("Entries", (), {"groups": {"iclbench.solvers", "console_scripts"}})
    monkeypatch.setattr(iclbench.planned, "entry_points", groups)
    look()
    look()
    assert len(made) == 2
    assert not Path("memory/plan.json").exists()


def test_faults_are_found_every_time(folder):
    look()
    Path("config/tasks/haar.yaml").write_text("summary: none")
    for _ in range(2):
        with pytest.raises(ConfigError, match="haar"):
            look()

"""A plan that is kept is the plan that would be made."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import iclbench.outlook
import iclbench.planning
from iclbench.config.faults import ConfigError
from iclbench.outlook import look

CONFIG = Path(__file__).parent.parent / "config"
STUDY = {
    "summary": "One.",
    "tasks": ["haar", "linear"],
    "solvers": ["zero"],
    "models": ["augmented"],
    "measurements": {"words": {"kind": "icar_text", "text": "words.txt"}},
    "figures": {"curves": {"kind": "training"}, "each": {"kind": "context"}},
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
    make = iclbench.outlook._anew

    def counted(*arguments):
        calls.append(arguments)
        return make(*arguments)

    monkeypatch.setattr(iclbench.outlook, "_anew", counted)
    return calls


def seen(run=RUN):
    return look(run, Path("config"), Path("memory"))


def test_what_is_kept_is_what_was_made(folder, made):
    first = seen()
    assert seen() == first
    assert len(made) == 1
    assert first.strict
    assert first.megabytes.keys() >= {"train/haar/augmented", "predict/mine/haar"}


@pytest.mark.parametrize("name", ["tasks/haar", "models/augmented", "solvers/zero", "studies/mine"])
def test_other_settings_make_another_plan(folder, made, name):
    before = seen()
    path = folder / f"config/{name}.yaml"
    content = path.read_text()
    path.write_text(f"{content}\n# A remark.")
    assert seen() == before
    assert len(made) == 2
    path.write_text(content)
    path.touch()
    seen()
    seen()
    assert len(made) == 3


def test_a_file_more_or_less_makes_another_plan(folder, made):
    before = seen()
    shutil.copy("config/tasks/haar.yaml", "config/tasks/mine.yaml")
    seen()
    Path("config/tasks/mine.yaml").unlink()
    assert seen() == before
    assert len(made) == 3


def test_a_folder_that_is_a_link_is_looked_into(folder, made):
    tasks = Path("config/tasks").rename(folder / "elsewhere")
    Path("config/tasks").symlink_to(tasks)
    seen()
    path = tasks / "haar.yaml"
    path.write_text(path.read_text() + "\n# A remark.")
    seen()
    assert len(made) == 2


def test_other_words_of_the_command_line_make_another_plan(folder, made):
    seen()
    assert not seen(RUN | {"strict": False}).strict
    seen(RUN | {"seed": 5})
    assert len(made) == 3


def test_a_file_that_a_measurement_reads_makes_another_plan(folder, made):
    without = seen()
    Path("words.txt").write_text("one two")
    with_words = seen()
    assert with_words.plan.texts != without.plan.texts
    Path("words.txt").write_text("two one")
    assert seen().plan.texts != with_words.plan.texts
    seen()
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
    first = seen()
    kept = Path("memory/outlook.json")
    text = kept.read_text()
    kept.write_text(damaged(text))
    assert seen() == first
    assert kept.read_text() == text
    assert len(made) == 2


def test_a_change_of_our_sources_or_of_a_library_makes_another_plan(folder, made, monkeypatch):
    seen()
    source = folder / "other.py"
    source.write_text("")
    sources = list(iclbench.outlook._sources(Path(iclbench.outlook.__file__).parent))
    assert {path.name for path in sources} >= {"outlook.py", "haar.py", "page.html.j2"}
    monkeypatch.setattr(iclbench.outlook, "_sources", lambda _: [*sources, source])
    seen()
    monkeypatch.setattr(iclbench.outlook, "version_of", lambda _: "0")
    seen()
    assert len(made) == 3


def test_with_kinds_of_another_package_nothing_is_kept(folder, made, monkeypatch):
    groups = type("Entries", (), {"groups": {"iclbench.solvers", "console_scripts"}})
    monkeypatch.setattr(iclbench.outlook, "entry_points", groups)
    seen()
    seen()
    assert len(made) == 2
    assert not Path("memory/outlook.json").exists()


@pytest.mark.parametrize("changed", ["config/tasks/haar.yaml", "words.txt"])
def test_what_changes_while_it_is_read_is_not_kept(folder, made, monkeypatch, changed):
    path = folder / changed
    path.touch()
    before, make = path.read_text(), iclbench.planning.make_plan

    def interrupted(config):
        plan = make(config)
        path.write_text(f"{before}\n# A remark.")
        return plan

    monkeypatch.setattr(iclbench.planning, "make_plan", interrupted)
    seen()
    monkeypatch.setattr(iclbench.planning, "make_plan", make)
    assert not Path("memory/outlook.json").exists()
    seen()
    assert len(made) == 2


def test_where_nothing_can_be_written_all_is_found_anew(folder, made):
    Path("memory").write_text("a file where the folder should be")
    assert seen() == seen()
    assert len(made) == 2


def test_a_kept_look_loads_neither_settings_nor_large_libraries(folder):
    seen()
    script = (
        "import sys; from pathlib import Path; from iclbench.outlook import look;"
        f"look({RUN!r}, Path('config'), Path('memory'));"
        "print(*sys.modules.keys() & {'iclbench.config.reading', 'pandas', 'torch._C'})"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert found.stdout.strip() == b""


def test_a_fault_is_found_beside_a_kept_plan(folder):
    seen()
    Path("config/tasks/folder.yaml").mkdir()
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"folder\.yaml: cannot be read"):
            seen()


def test_a_file_that_cannot_be_read_is_a_fault_of_the_settings(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(iclbench.outlook, "digest_file", refuse)
    Path("config/tasks/haar.yaml").unlink()
    Path("config/tasks/haar.yaml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"haar\.yaml: cannot be read"):
        seen()


def test_faults_are_found_every_time(folder):
    seen()
    Path("config/tasks/haar.yaml").write_text("summary: none")
    for _ in range(2):
        with pytest.raises(ConfigError, match="haar"):
            seen()

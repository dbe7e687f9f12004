"""What there is, and which file says what."""

import json
import re

import pytest
import yaml

from benchmarks.environment import ROOT
from iclbench.__main__ import main


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")


def said(capsys, *arguments):
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("room", ["tasks", "models", "studies"])
def test_every_file_of_a_room_is_listed_with_its_summary(room, capsys):
    text = " ".join(said(capsys, room).split())
    for path in (ROOT / "config" / room).glob("*.yaml"):
        assert path.stem in text
        assert " ".join(yaml.safe_load(path.read_text())["summary"].split()[:3]) in text


def test_methods_are_models_solvers_and_variants(capsys):
    text = said(capsys, "methods")
    names = {line.split()[0] for line in text.splitlines() if not line.startswith(" ")}
    files = {
        path.stem for room in ("models", "solvers") for path in ROOT.glob(f"config/{room}/*.yaml")
    }
    study = yaml.safe_load((ROOT / "config/studies/newton.yaml").read_text())
    assert files | study["variants"].keys() <= names


def test_claims_are_listed_by_the_name_that_shows_them(capsys):
    text = said(capsys, "claims", "--scale", "smoke")
    assert "icar/A1  claim\n" in text
    assert "not at this scale" in text
    assert "statement:" in said(capsys, "show", "icar/A1")


@pytest.mark.parametrize(
    "name", ["haar", "gpt2", "newton", "icar", "newton_gpt2", "icar/A1", "run"]
)
def test_what_is_shown_is_yaml_of_all_settings(name, capsys):
    text = said(capsys, "show", name)
    assert all("  # " in line for line in text.splitlines())
    shown = yaml.safe_load(text)
    path = next(ROOT.glob(f"config/*/{name}.yaml"), None)
    if path is not None:
        for key in yaml.safe_load(path.read_text()):
            assert key in shown


def test_the_origin_of_a_setting_is_the_file_that_says_it(capsys):
    text = said(capsys, "show", "newton_width_16")
    origins = {m[1]: m[2] for m in re.finditer(r"^ *(\w+): .*?# (.+)$", text, re.MULTILINE)}
    assert origins["width"] == "config/studies/newton.yaml: variants.newton_width_16"
    assert origins["summary"] == "config/models/gpt2.yaml"
    assert origins["log_every"] == "default"
    scaled = said(capsys, "show", "gpt2", "--scale", "smoke")
    assert re.search(r"steps: 40 +# config/scales/smoke.yaml: models.gpt2$", scaled, re.MULTILINE)
    assert re.search(r"width: 32 +# config/models/gpt2.yaml$", scaled, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "har"], "did you mean 'haar'"),
        (["show", "zzzzzz"], "list them"),
        (["tasks", "--scale", "huge"], "'huge' is not a scale"),
        (["sample", "har"], "did you mean 'haar'"),
        (["sample", "haar", "--output", "haar.txt"], "a .png or a .pdf"),
        (["trace", "nothing"], "no figure of this run"),
    ],
)
def test_what_is_not_there_gets_a_sentence(arguments, message, capsys):
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_elsewhere_than_in_a_run_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["tasks"]) == 1
    assert "go to the folder" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["haar", "concentrated", "recall", "linear", "sparse"])
def test_a_sample_is_a_picture(task, tmp_path, capsys):
    path = tmp_path / "one.png"
    said(capsys, "sample", task, "--scale", "smoke", "--output", str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    before = path.read_bytes()
    said(capsys, "sample", task, "--scale", "smoke", "--output", str(path))
    assert path.read_bytes() == before


def test_a_claims_dump_is_that_of_the_file(capsys):
    shown = yaml.safe_load(said(capsys, "show", "icar/A1"))
    file = yaml.safe_load((ROOT / "config/studies/icar.yaml").read_text())["claims"]["A1"]
    for key in ("statement", "evidence", "where"):
        assert json.dumps(shown[key]) == json.dumps(file[key])

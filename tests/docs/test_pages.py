"""The site builds, its commands and examples run word for word, and its links lead somewhere."""

import csv
import math
import os
import re
import subprocess
import sys
import sysconfig
import venv
from importlib import import_module
from importlib.metadata import entry_points

import pytest
import torch
import yaml

from benchmarks.environment import ROOT
from iclbench.claims.claim import Claim
from iclbench.claims.scorecard import make_record
from iclbench.claims.scorecard import write_verdicts as write_records
from iclbench.claims.statistics import Effect
from iclbench.claims.verdicts import Verdict
from iclbench.config.reading import read_config, read_yaml
from iclbench.registry import KINDS

DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts]
LANGUAGES = {"python", "sh", "text", "toml", "yaml"}
STUDIES = {path.stem: read_yaml(path) for path in sorted(ROOT.glob("config/studies/*.yaml"))}
IDS = [str(page.relative_to(DOCS)) for page in PAGES]


def blocks(page):
    """Return language and text of the blocks of a page, in order; directives are among them."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def examples(page):
    """Return the blocks that are to be carried out; ``text`` is only looked at."""
    return [(how, text) for how, text in blocks(page) if how[:1] != "{" and how != "text"]


def entries(toctree):
    """Return the pages that a toctree lists."""
    return [line for line in toctree.split("\n") if line and line[0] != ":"]


def write_named(text, folder):
    """Write a block whose first line names a file to that file; return whether it did."""
    named = re.match(r"# (\S+/\S+\.\w+)\n", text)
    if named:
        path = folder / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return named is not None


WITH_EXAMPLES = [page for page in PAGES if examples(page)]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_block_says_what_it_is(page):
    for how, _ in blocks(page):
        assert how in LANGUAGES or how.startswith("{"), how


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_to_a_page(page):
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link
    for how, text in blocks(page):
        for entry in entries(text) if how == "{toctree}" else ():
            assert (page.parent / f"{entry}.md").exists(), entry


def test_every_page_can_be_reached():
    inside = {
        (page.parent / entry).with_suffix(".md")
        for page in PAGES
        for how, text in blocks(page)
        if how == "{toctree}"
        for entry in entries(text)
    }
    assert set(PAGES) - inside == {DOCS / "index.md"}


def test_every_paper_has_a_page():
    for name, study in STUDIES.items():
        page = DOCS / "science" / f"{name}.md"
        assert page.exists() == ("paper" in study)
        if page.exists():
            directives = {how for how, _ in blocks(page)}
            said = {f"{{{word}}} {name}" for word in ("paper", "runs", "claims", "differences")}
            assert directives == said | (directives & {"text"})


def test_every_room_has_a_page_of_settings():
    assert {path.stem for path in (DOCS / "reference/settings").glob("*.md")} == {
        "files",
        "index",
        *KINDS,
    }


def test_every_verdict_is_of_a_claim():
    with (DOCS / "verdicts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({(row["study"], row["claim"]) for row in rows}) == len(rows)
    assert len({(row["scale"], row["commit"]) for row in rows}) == 1
    for row in rows:
        key = "controls" if row["control"] == "true" else "claims"
        assert row["claim"] in STUDIES[row["study"]][key]
        assert row["verdict"] in ("supported", "refuted", "inconclusive", "not run")


def test_verdicts_are_those_of_a_commit(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    write = import_module("write_verdicts").write_verdicts

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    claim = Claim.model_validate(STUDIES["ckd"]["claims"]["E3"])
    verdict = Verdict("refuted", "So it is.", Effect(7.85281e-13, 5.2e-15, math.nan, 64, "", ""))
    told = dict.fromkeys(("paper", "config", "code"), "any") | {"scale": "laptop", "root": 0}
    record = make_record(claim, verdict, study="ckd", name="E3", control=False, evidence=[], **told)
    path = tmp_path / "results" / "claims" / "scorecard.parquet"
    write_records(path, [record])
    git("init")
    git("commit", "--allow-empty", "-m", "none")
    write(tmp_path, tmp_path / "verdicts.csv")
    (row,) = csv.DictReader((tmp_path / "verdicts.csv").read_text().splitlines())
    assert (row["study"], row["claim"], row["control"]) == ("ckd", "E3", "false")
    assert (row["verdict"], row["effect"], row["high"]) == ("refuted", "7.8528e-13", "")
    (tmp_path / "config.yaml").write_text("scale: laptop")
    with pytest.raises(SystemExit, match="not committed"):
        write(tmp_path, tmp_path / "verdicts.csv")


@pytest.fixture
def tutorial(tmp_path):
    """A folder with the files of the tutorial."""
    for how, text in examples(DOCS / "tutorial.md"):
        assert write_named(text, tmp_path) or how in ("sh", "python")
    return tmp_path


def test_the_tutorials_task_is_one(tutorial):
    (tutorial / "config/studies/smoothing.yaml").unlink()  # asks for a package
    (tutorial / "config/solvers/smoother.yaml").unlink()
    for path in ROOT.glob("config/*/*.yaml"):
        target = tutorial / path.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    run = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "smoke"}
    config = read_config(run, tutorial / "config")
    assert config.tasks["pentagon"].family.input_dim == 3
    assert config.studies["pentagon"].tasks == ["pentagon"]


def test_the_tutorials_package_does_what_it_says(tutorial, monkeypatch):
    monkeypatch.syspath_prepend(tutorial / "smoothing")
    KernelSmoother = import_module("icl_smoothing.smoother").KernelSmoother
    SmoothingLimit = import_module("icl_smoothing.limit").SmoothingLimit
    x, y = torch.randn(2, 6, 3), torch.randn(2, 6, 1)
    smoother = KernelSmoother(kind="kernel_smoother", bandwidth=0.7)
    (predicted,) = smoother.predict(x, y)
    for t in range(1, 6):
        weights = torch.exp(-((x[:, :t] - x[:, t, None]) ** 2).sum(-1) / (2 * 0.7**2))
        mean = (weights[..., None] * y[:, :t]).sum(1) / weights.sum(1, keepdim=True)
        torch.testing.assert_close(predicted[:, t], mean)
    assert (predicted[:, 0] == 0).all()
    labels = dict.fromkeys(("study", "task", "scale", "config", "code"), "any")
    (near, far) = SmoothingLimit(kind="smoothing_limit", seeds=3).measure(("0",), labels)
    assert near["value"].min() > 1e-2 and far["value"].max() < 1e-4


def environment(tree):
    """Make the environment that the tutorial activates; it sees this one's packages."""
    folder = tree / ".venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "outer.pth").write_text(f"{tree / 'src'}\n{sysconfig.get_paths()['purelib']}\n")
    for name in ("iclbench", "snakemake"):
        (script,) = entry_points(group="console_scripts", name=name)
        module, _, function = script.value.partition(":")
        path = folder / "bin" / name
        path.write_text(
            f"#!{folder}/bin/python\nimport sys\nfrom {module} import {function}\n"
            f"sys.exit({function}())\n"
        )
        path.chmod(0o755)
    (folder / "installed").touch()
    left_out = ("PYTHONPATH", "CI")
    return {name: value for name, value in os.environ.items() if name not in left_out} | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_BUILD_ISOLATION": "0",  # of an option that says no, 0 is yes
        "PIP_NO_INDEX": "1",
    }


@pytest.mark.slow
@pytest.mark.dag
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_every_example_runs(page, finished, tmp_path):
    tree = finished.copy(tmp_path / "tree").path
    surroundings = environment(tree)
    for how, text in examples(page):
        if write_named(text, tree):
            continue
        command = ["bash", "-euo", "pipefail", "-c"] if how == "sh" else ["python", "-c"]
        found = subprocess.run(
            [*command, text], cwd=tree, env=surroundings, capture_output=True, text=True
        )
        assert found.returncode == 0, f"{text}\n{found.stdout}\n{found.stderr}"
    assert (tree / "results/claims/smoothing/F1.parquet").exists() == (page.stem == "tutorial")


def test_formulas_in_docstrings_are_no_markup(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "extensions")
    plain = import_module("python_pages").plain
    assert plain(["|x| and ``|x|``, W^* x_", "* an item*"]) == [
        r"\|x\| and ``|x|``, W^\* x\_",
        r"* an item\*",
    ]
    code = ["As in::", "", "    a * b", "", "    c * d", ">>> a * b", "12*", ""]
    assert plain([*code, "e*"]) == [*code, r"e\*"]


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, tmp_path / "site"]
    subprocess.run([*command, "-d", tmp_path / "doctrees"], check=True)
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in PAGES}
    assert all((tmp_path / "site" / page).exists() for page in pages)
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link)[^>]*(?:src|href)=\"(https?:[^\"]+)", page.read_text()
        )
        assert not loaded, f"{page} needs a network"

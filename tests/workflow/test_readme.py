"""Every command and example of the README runs."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from benchmarks.environment import ROOT

pytestmark = pytest.mark.dag
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = [
        line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()
    ]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def tree(finished, tmp_path_factory):
    return finished.copy(tmp_path_factory.mktemp("readme") / "tree")


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("make")])
def test_make(command):
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("snakemake")])
def test_snakemake(tree, command):
    tree.snakemake(*shlex.split(command)[1:])


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("iclbench")])
def test_iclbench(tree, command):
    environment = os.environ | {"PYTHONPATH": str(tree.path / "src")}
    subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=tree.path,
        env=environment,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "config/README.md", "results/README.md"]
)
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (ROOT / page).parent.joinpath(link).exists(), link


def test_there_is_no_other_command():
    first = {line.split()[0] for line in commands()}
    assert first == {"iclbench", "make", "snakemake", "source"}


def test_the_query_answers(tree):
    (query,) = blocks("python")
    found = subprocess.run(
        [sys.executable, "-c", query], cwd=tree.path, check=True, capture_output=True, text=True
    )
    assert "ols" in found.stdout


def test_the_example_is_a_task(tree):
    (text,) = blocks("yaml")
    name = re.match(r"# (config/tasks/\w+\.yaml)\n", text)
    assert name
    (tree.path / name[1]).write_text(text)
    tree.snakemake("-n")

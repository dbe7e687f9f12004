"""Every extension that CONTRIBUTING.md shows is carried out, word for word."""

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmarks.environment import ROOT
from blocks import blocks_of
from trees import Tree

pytestmark = [pytest.mark.dag, pytest.mark.slow]

BLOCKS = blocks_of("CONTRIBUTING.md")
TASKS, MODELS = ["hexagon", "mirror"], ["paired_relu", "paired_squared"]
SOLVERS = ["ridge_weak", "kernel_ridge_quadratic", "mean_output", "last_output"]


def python_beside_ours(folder):
    """Return a Python that has all that ours has, and room for packages of its own."""
    venv.create(folder, symlinks=True)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    ours = sysconfig.get_path("purelib")
    (own / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def extended(finished, tmp_path_factory):
    """A finished tree in which everything was written that the page shows, and run."""
    folder = tmp_path_factory.mktemp("extended")
    copy = finished.copy(folder / "tree")
    tree = Tree(copy.path, python_beside_ours(folder / "venv"))
    for block in BLOCKS:
        if block.file != "config/studies/icar.yaml":
            block.write(tree.path)
    # By the setuptools that is here: without a network.
    install = [sys.executable, "-m", "pip", "--python", tree.python, "install"]
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    package = str(tree.path / "last_output")
    subprocess.run([*install, *options, package], check=True, capture_output=True)
    # The leaderboard of these alone, and short trainings.
    path = tree.path / "config/scales/smoke.yaml"
    smoke = yaml.safe_load(path.read_text())
    short = {"training": {"steps": 20, "batch": 4, "log_every": 10}}
    smoke["models"] |= dict.fromkeys(MODELS, short)
    smoke["studies"]["leaderboard"] |= {"tasks": TASKS, "models": MODELS}
    path.write_text(json.dumps(smoke))
    due = tree.due()
    tree.snakemake("fig_leaderboard", "fig_hypergradient_affine", "fig_overlap", "--cores", "2")
    tree.snakemake("claim_overlap_inverse", "--cores", "2")
    return tree, due


def test_it_shows_each_extension():
    files = {(block.file.rsplit("/", 1)[0], block.under) for block in BLOCKS}
    assert {folder for folder, _ in files} >= {
        "config/tasks",
        "config/models",
        "config/solvers",
        "config/studies",
        "last_output",
        "src/iclbench/attention",
        "src/iclbench/kernels",
        "src/iclbench/solvers",
        "src/iclbench/studies",
        "src/iclbench/tasks/dynamics",
    }
    assert ("config/studies", "figures") in files


def test_tasks_models_and_solvers_join_the_leaderboard(extended):
    tree, _ = extended
    for task in TASKS:
        rows = pd.read_parquet(tree.path / f"results/metrics/leaderboard/{task}.parquet")
        errors = rows[(rows["metric"] == "squared_error") & rows["position"].isna()]
        known = errors.groupby("method")["value"].agg(lambda values: values.notna().any())
        assert known[[*MODELS, *SOLVERS]].all()


def test_their_predictions_are_right(extended):
    tree, _ = extended
    rows = pd.read_parquet(tree.path / "results/metrics/leaderboard/mirror.parquet")
    errors = rows[(rows["metric"] == "squared_error") & rows["position"].notna()]
    by = errors.groupby(["method", "position"])["value"].mean()
    # The point before the last is the next one: a mirror turns back what it turned.
    assert by["kernel_ridge_quadratic"].iloc[-1] < 0.05 * by["zero"].iloc[-1]
    # Two points in turn, of which half the output seen are each.
    assert by["mean_output"].iloc[1] == pytest.approx(by["last_output"].iloc[1], rel=1e-6)
    assert by["last_output"].iloc[0] == pytest.approx(by["zero"].iloc[0], rel=1e-6)


def test_nothing_else_is_made_again(extended):
    _, due = extended
    trained = {Path(path).parent.name for path in due if path.startswith("results/models")}
    assert trained == set(TASKS)
    measured = {path for path in due if path.startswith("results/metrics/measured")}
    assert measured == {"results/metrics/measured/overlap/overlaps.parquet"}


def test_figures_are_drawn(extended):
    tree, _ = extended
    for figure in ("leaderboard", "hypergradient_affine", "overlap"):
        assert (tree.path / f"results/figures/{figure}.pdf").read_bytes().startswith(b"%PDF")
    table = pd.read_parquet(tree.path / "results/figures/overlap.parquet")
    assert table["value"].tolist() == pytest.approx([1 / 2, 1 / 8, 1 / 32], rel=0.03)


def test_the_claim_of_the_paper_is_decided(extended):
    tree, _ = extended
    verdicts = pd.read_parquet(tree.path / "results/claims/overlap/inverse.parquet")
    assert verdicts["verdict"].tolist() == ["supported"]


def test_the_report_has_figures_without_captions_of_their_own(extended):
    tree, _ = extended
    tree.snakemake("fig_overlap", "--report", "overlap.html")
    assert "overlap" in (tree.path / "overlap.html").read_text()


def test_its_code_is_in_the_style_of_the_house(extended):
    tree, _ = extended
    files = [block.file for block in BLOCKS if block.file.endswith(".py")]
    ruff = [sys.executable, "-m", "ruff"]
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        options = [*check, "--config", str(ROOT / "pyproject.toml")]
        found = subprocess.run(
            [*ruff, *options, *files], cwd=tree.path, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stdout + found.stderr

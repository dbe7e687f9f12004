"""Runs on a Slurm of one node make what runs of this machine alone make."""

import os
import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.workflow.trees import fresh_tree

pytestmark = [
    pytest.mark.dag,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("slurmctld") is None or os.geteuid() != 0,
        reason="needs root, and apt-get install slurm-wlm munge",
    ),
    pytest.mark.skipif(
        find_spec("snakemake_executor_plugin_slurm") is None, reason="needs the extra slurm"
    ),
]

SLURM = Path(__file__).parent / "slurm.sh"
ON_SLURM = ("--profile", "workflow/profiles/slurm")
# A cluster of one node on this machine is asked often, and shares its clock and its files.
ON_SLURM += ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5")
# At the smoke scale all jobs are small.
GROUPS = {"train_model": "work", "measure": "work", "examine": "work", "predict_task": "compared"}
SMALL = ("--groups", *(f"{rule}={group}" for rule, group in GROUPS.items()), "--cores", "2")
SMALL += ("--group-components", *(f"{name}=50" for name in ("prompts", "figures", "claims")))
SMALL += ("work=50", "compared=50")
MODEL = "results/models/haar/plain.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _slurm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([SLURM, "up", folder], check=True)
    yield
    subprocess.run([SLURM, "down", folder], check=True)


def computed(tree):
    """Return the bytes of what a tree's runs have computed, by path."""
    folder = tree.path / "results"
    files = [*folder.glob("metrics/**/*.parquet"), *folder.glob("*/**/*.safetensors")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_run_on_slurm_makes_the_same_bytes(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    for made in ("results", ".snakemake"):
        shutil.rmtree(tree.path / made)
    tree.snakemake(*ON_SLURM, *SMALL, "--config", "studies=[newton, implicit]")
    made, expected = computed(tree), computed(finished)
    assert {name.split("/")[0] for name in made} == {"metrics", "models", "prompts"}
    for name in made:
        assert made[name] == expected[name], name
    assert (tree.path / "results/claims/scorecard.html").exists()
    assert tree.due("--config", "studies=[newton, implicit]") == set()


def test_a_job_that_slurm_ends_is_named_and_resumes_to_the_same_bytes(tmp_path):
    tree = fresh_tree(tmp_path / "tree")
    scale = tree.path / "config/scales/smoke.yaml"
    text = scale.read_text()
    assert "plain: {training: {steps: 40, " in text
    scale.write_text(
        text.replace("plain: {training: {steps: 40, ", "plain: {training: {steps: 9000, ")
    )
    other = tree.copy(tmp_path / "other")
    often = ("--config", "checkpoint_every=100 steps")
    run = tree.start(MODEL, *ON_SLURM, *often)
    while not any((tree.path / "results/checkpoints").rglob("step-*")):
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)
    (job,) = queue("--states=RUNNING", "--format=%i")
    asked = queue("--jobs", job, "--format=%C %m %l")
    subprocess.run(["scancel", job], check=True)
    output, _ = run.communicate()
    assert run.returncode != 0
    assert asked == ["1 2000M 12:00:00"]  # cores, memory and time, as the rule says
    assert "failed: train haar/plain" in output
    (log,) = (tree.path / ".snakemake/log").glob("*.log")
    assert "SLURM status is: 'CANCELLED'" in log.read_text()
    tree.snakemake(MODEL, *ON_SLURM, *often)
    assert "resumes at step" in (tree.path / "results/logs/train/haar/plain.log").read_text()
    other.snakemake(MODEL, "--cores", "1")
    assert computed(tree) == computed(other)


def queue(*options):
    return subprocess.check_output(["squeue", "--noheader", *options], text=True).splitlines()

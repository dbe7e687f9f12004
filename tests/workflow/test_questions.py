"""What a run answers when it is asked: what is behind a figure, and what it would do again."""

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.dag


def asked(tree, *arguments):
    command = [sys.executable, "-m", "iclbench", *arguments]
    environment = {"PYTHONPATH": str(tree.path / "src"), "PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    found = subprocess.run(
        command, cwd=tree.path, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_a_figure_is_traced_to_its_rows_jobs_and_models(finished):
    text = asked(finished, "trace", "results/figures/icar_depth.pdf")
    assert "results/metrics/icar/haar.parquet" in text
    assert "seeds 0 and 1" in text
    for path in re.findall(r"results/plan/\S+\.json", text):
        assert (finished.path / path).exists()
    assert "have changed since" not in text
    models = re.findall(r"results/models/\S+\.safetensors", text)
    assert models
    assert all((finished.path / model).exists() for model in models)


def test_a_finished_run_has_nothing_to_do(finished):
    assert asked(finished, "why").startswith("Nothing")


def test_why_says_what_changed_and_what_it_costs(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    scale = tree.path / "config/scales/smoke.yaml"
    text = scale.read_text()
    changed = text.replace("gpt2: {training: {steps: 40", "gpt2: {training: {steps: 41")
    assert changed != text
    scale.write_text(changed)
    (tree.path / "results/figures/icar_text.pdf").unlink()
    words = asked(tree, "why", "--cores", "2")
    assert "settings changed: model.training.steps 40 → 41" in words
    assert "its result is missing" in words
    assert "what it reads is made anew" in words
    assert re.search(r"\d+ jobs.*of one core, about .* on 2", words)
    named = re.search(r"^(\d+) jobs", words, re.MULTILINE)
    assert named
    planned = tree.snakemake("--dry-run", "--cores", "1")
    total = re.search(r"^total +(\d+)$", planned, re.MULTILINE)
    assert total
    assert int(named[1]) == int(total[1]) - 1  # the target itself is no job


def test_a_run_that_fails_says_which_job_and_what_to_do(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    damaged = tree.path / "results/models/linear/gpt2.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-50])
    (tree.path / "results/metrics/leaderboard/linear.parquet").unlink()
    process = tree.start("results/metrics/leaderboard/linear.parquet", "--cores", "1")
    output, _ = process.communicate()
    assert process.returncode != 0
    assert "1 job to do" in output
    at_once, _, end = output.partition("1 job failed:")
    assert "failed: predict leaderboard/linear" in at_once
    for part in (
        "predict leaderboard/linear",
        "results/models/linear/gpt2.safetensors: ",
        "delete it and run again",
        "less results/logs/predict/leaderboard/linear.log",
        "give the same command again",
    ):
        assert part in end

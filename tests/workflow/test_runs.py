"""What a run makes, and what a second run makes again."""

import os
import re
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from iclbench.records import read
from trees import fresh_tree

pytestmark = pytest.mark.dag


def tables(tree):
    results = tree.path / "results"
    return {str(path.relative_to(results)): path for path in results.rglob("*.parquet")}


def test_a_run_makes_figures_rows_and_report(finished):
    results = finished.path / "results"
    for name in ("leaderboard", "training"):
        for suffix in (".pdf", ".png", ".parquet"):
            assert (results / "figures" / (name + suffix)).stat().st_size > 0
    rows = read(results / "metrics")
    assert set(rows.family) == {"trained", "constructed", "solver", "reference"}
    assert set(rows.scale) == {"smoke"}
    assert not (results / "checkpoints").exists() or not any((results / "checkpoints").rglob("*.*"))


def test_nothing_is_done_twice(finished):
    assert finished.due() == set()


def test_touching_every_source_reruns_nothing(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    made = (tree.path / "results", tree.path / ".snakemake")
    for path in tree.path.rglob("*"):
        if path.is_file() and not any(path.is_relative_to(folder) for folder in made):
            path.touch()
    assert tree.due() == set()


def test_a_comment_in_a_solver_reruns_nothing(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    source = tree.path / "src/iclbench/solvers/newton.py"
    source.write_text("# Thoughts.\n" + source.read_text().replace('"""', '"""In short: ', 1))
    assert tree.due() == set()


def test_results_copied_to_another_clone_are_up_to_date(finished, tmp_path):
    tree = fresh_tree(tmp_path / "tree")
    shutil.rmtree(tree.path / "results")
    shutil.copytree(finished.path / "results", tree.path / "results")
    assert tree.due() == set()


def test_a_plan_that_returns_after_another_is_noticed_by_times_alone(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    config = tree.path / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("seed: 0", "seed: 1"))
    tree.snakemake("results/prompts/haar.safetensors", "--cores", "1")
    config.write_text(text)
    shutil.rmtree(tree.path / ".snakemake")
    assert "results/prompts/haar.safetensors" in tree.due()


def test_a_look_at_another_scale_outdates_nothing(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    plans = {path: path.stat().st_mtime_ns for path in (tree.path / "results/plan").rglob("*.json")}
    assert tree.due("--config", "seed=1")
    assert tree.due() == set()
    after = {path: path.stat().st_mtime_ns for path in (tree.path / "results/plan").rglob("*.json")}
    assert after == plans


def test_a_changed_solver_reruns_what_depends_on_it(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    source = tree.path / "src/iclbench/solvers/newton.py"
    source.write_text(source.read_text() + "\n\nCHANGED = True\n")
    due = tree.due()
    with_newton = {
        f"results/metrics/{rows}.parquet"
        for stage, folder in (("predict", ""), ("measure", "measured/"), ("examine", "measured/"))
        for rows in plans_with(tree, stage, folder, '"kind": "newton"')
    }
    # One measurement holds no solver in its settings, and calls it.
    with_newton.add("results/metrics/measured/newton/identities.parquet")
    assert {path for path in due if path.startswith("results/metrics")} == with_newton
    assert not [path for path in due if path.startswith(("results/models", "results/prompts"))]


def plans_with(tree, stage, folder, words):
    """Yield the rows of jobs in whose plans these words stand."""
    plans = tree.path / "results/plan" / stage
    for plan in plans.rglob("*.json"):
        if words in plan.read_text():
            yield f"{folder}{plan.parent.relative_to(plans)}/{plan.name.partition('.')[0]}"


def test_a_deleted_figure_alone_is_drawn_again(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    figure = tree.path / "results/figures/leaderboard.pdf"
    before = figure.read_bytes()
    figure.unlink()
    due = tree.due("fig_leaderboard")
    assert due == {f"results/figures/leaderboard.{suffix}" for suffix in ("pdf", "png", "parquet")}
    tree.snakemake("fig_leaderboard", "--cores", "1")
    assert figure.read_bytes() == before


def test_a_new_task_runs_alone_and_joins_the_leaderboard(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    for path in (tree.path / "config/studies").glob("*.yaml"):
        path.unlink()
    study = "summary: All.\ntasks: all\nmodels: [augmented]\nsolvers: all\n"
    figures = "figures: {everything: {kind: leaderboard}}\n"
    (tree.path / "config/studies/leaderboard.yaml").write_text(study + figures)
    scale = tree.path / "config/scales/smoke.yaml"
    for path in (tree.path / "config/tasks").glob("*.yaml"):
        if path.stem not in ("haar", "periodic"):
            path.unlink()
    scale.write_text(re.sub(r"^studies:.*", "", scale.read_text(), flags=re.DOTALL | re.MULTILINE))
    tree.snakemake("--cores", "2")
    assert not (tree.path / "results/metrics/leaderboard/linear.parquet").exists()
    task = "summary: Three points.\nlength: 9\ndynamics: {kind: periodic, dim: 3, period: 3}\n"
    (tree.path / "config/tasks/triangle.yaml").write_text(task)
    assert {Path(path).with_suffix("").as_posix() for path in tree.due()} == {
        "results/prompts/triangle",
        "results/models/triangle/augmented",
        "results/metrics/training/triangle/augmented",
        "results/metrics/leaderboard/triangle",
        "results/figures/everything",
        "results/explore",
        "results/settings",
    }
    tree.snakemake("--cores", "2")
    drawn = pq.read_table(tree.path / "results/figures/everything.parquet")
    assert set(drawn["task"].to_pylist()) == {"haar", "periodic", "triangle"}


def test_a_killed_run_resumes_to_the_same_bytes(finished, tmp_path):
    """In another folder, so this shows as well that two runs give the same bytes."""
    tree = fresh_tree(tmp_path / "tree")
    config = tree.path / "config.yaml"
    text = config.read_text()
    assert "\nstudies: all\n" in text
    config.write_text(text.replace("\nstudies: all\n", "\nstudies: [leaderboard, newton]\n"))
    often = ("--config", "checkpoint_every=5 steps")
    killed = kill_a_training(tree, *often)
    tree.snakemake("--cores", "2", *often)
    assert "resumes at step" in (tree.path / f"results/logs/train/{killed}.log").read_text()
    made = {name: path for name, path in tables(tree).items() if "scorecard" not in name}
    assert made.keys() < tables(finished).keys()
    for name, path in made.items():
        assert pq.read_table(path).equals(pq.read_table(tables(finished)[name])), name
    assert same_models(tree, finished)


def test_jobs_that_are_their_own_processes_make_the_same_bytes(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    made = ["models/haar/plain.safetensors", "metrics/measured/newton/identities.parquet"]
    for name in made:
        (tree.path / "results" / name).unlink()
    # Without hooks nothing is started that jobs could fork from.
    tree.snakemake(*(f"results/{name}" for name in made), "--cores", "2", "--no-hooks")
    for name in made:
        one, other = (each.path / "results" / name for each in (tree, finished))
        assert one.read_bytes() == other.read_bytes(), name


def same_models(one, other):
    models = sorted(one.path.glob("results/models/*/*.safetensors"))
    return models and all(
        path.read_bytes() == (other.path / path.relative_to(one.path)).read_bytes()
        for path in models
    )


def kill_a_training(tree, *options):
    """Run, and kill the first training job that has written a checkpoint; return its name."""
    folder = tree.path / "results/checkpoints"
    process = tree.start("--cores", "2", *options)
    while process.poll() is None:
        name = kill_one_with_a_checkpoint(tree, folder)
        if name is None:
            time.sleep(0.005)
            continue
        output, _ = process.communicate()
        assert process.returncode != 0, output
        if any((folder / name).glob("step-*")):
            return name
        # It was at its end when it was killed.
        process = tree.start("--cores", "2", *options)
    pytest.fail("no training was caught in the middle")
    return None


def kill_one_with_a_checkpoint(tree, folder):
    for path in list(Path("/proc").glob("[0-9]*/cmdline")):
        with suppress(OSError):  # it has ended
            command = path.read_text(errors="replace")
            _, found, words = command.partition("\0train\0results/plan/train/")
            name = words.partition(".")[0]
            here = (path.parent / "cwd").resolve() == tree.path.resolve()
            if found and here and any((folder / name).glob("step-*")):
                os.kill(int(path.parent.name), signal.SIGKILL)
                return name
    return None


def test_bad_settings_stop_before_any_job(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    path = tree.path / "config/tasks/haar.yaml"
    path.write_text(path.read_text().replace("haar", "har"))
    process = tree.start("--cores", "1")
    output, _ = process.communicate()
    assert process.returncode != 0
    assert "config/tasks/haar.yaml: dynamics.kind: 'har' is not a kind of dynamics" in output
    assert "did you mean 'haar'?" in output
    assert "Traceback" not in output


def test_a_result_that_is_not_of_this_run_is_refused_by_name(finished):
    process = finished.start("-n", "results/models/haar/agmented.safetensors")
    output, _ = process.communicate()
    assert process.returncode != 0
    assert (
        "train/haar/agmented is no job of this run; did you mean 'train/haar/augmented'?" in output
    )

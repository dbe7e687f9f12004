"""Files that are cut, altered or of another kind are named and never used; nothing in them runs."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from iclbench.__main__ import main
from iclbench.training.checkpoints import newest

pytestmark = pytest.mark.dag

STUDY, TASK, MODEL = "leaderboard", "haar", "augmented"


class Marking:
    """What makes a file when it is loaded from a pickle."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def altered(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "altered": altered,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("state: 3\n"),
    "pickle": lambda path: path.write_bytes(pickle.dumps(Marking(path.with_name("marker")))),
    "torch": lambda path: torch.save(Marking(path.with_name("marker")), path),
}


class Jobs:
    """The commands of some jobs of a finished run, with copies of what they read."""

    def __init__(self, tree, folder):
        self.results, self.folder = tree.path / "results", folder

    def plan(self, job):
        (path,) = (self.results / "plan").glob(f"{job}.*.json")
        return path

    def copy(self, path):
        copied = self.folder / path.name
        copied.write_bytes(path.read_bytes())
        return copied

    def predict(self):
        plan = self.plan(f"predict/{STUDY}/{TASK}")
        prompts = self.copy(self.results / f"prompts/{TASK}.safetensors")
        models = [
            self.copy(path) for path in (self.results / "models" / TASK).glob("*.safetensors")
        ]
        words = ["predict", plan, "--prompts", prompts, "--rows", self.folder / "made"]
        return [*words, "--models", *models], {
            "prompts": prompts,
            "model": self.folder / f"{MODEL}.safetensors",
        }

    def draw(self):
        rows = self.copy(self.results / f"metrics/training/{TASK}/{MODEL}.parquet")
        plan = self.plan("draw/training")
        return ["draw", plan, "--figure", self.folder / "made", "--rows", rows], {"rows": rows}

    def decide(self):
        plan = self.copy(self.plan("decide/newton"))
        return ["decide", plan, "--verdicts", self.folder / "made"], {"plan": plan}

    def explore(self):
        rows = self.copy(self.results / f"metrics/{STUDY}/{TASK}.parquet")
        return ["explore", "--page", self.folder / "made", "--rows", rows], {"rows": rows}

    def report(self):
        verdicts = self.copy(self.results / "claims/newton.parquet")
        words = ["report", "--table", self.folder / "table", "--page", self.folder / "made"]
        return [*words, "--verdicts", verdicts], {"verdicts": verdicts}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    ("stage", "what"),
    [
        ("predict", "prompts"),
        ("predict", "model"),
        ("draw", "rows"),
        ("decide", "plan"),
        ("explore", "rows"),
        ("report", "verdicts"),
    ],
)
def test_a_damaged_file_stops_the_job_that_reads_it(
    finished, tmp_path, capsys, stage, what, damage
):
    words, read = getattr(Jobs(finished, tmp_path), stage)()
    DAMAGES[damage](read[what])
    assert main([str(word) for word in words]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{read[what]}: ")
    assert said.endswith("; delete it and run again\n")
    assert not {"made", "marker"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over(finished, tmp_path, caplog, damage):
    path = tmp_path / "step-000000000010.ckpt"
    path.write_bytes((finished.path / f"results/models/{TASK}/{MODEL}.safetensors").read_bytes())
    DAMAGES[damage](path)
    assert newest(tmp_path, "any") is None
    assert f"{path}: " in caplog.text
    assert "training goes on from an earlier state" in caplog.text
    assert not (tmp_path / "marker").exists()


def test_a_training_whose_checkpoints_are_all_damaged_starts_again(finished, tmp_path, caplog):
    jobs = Jobs(finished, tmp_path)
    path = tmp_path / "checkpoints" / "step-000000000010.ckpt"
    path.parent.mkdir()
    DAMAGES["pickle"](path)
    made = tmp_path / "made.safetensors"
    words = ["train", jobs.plan(f"train/{TASK}/{MODEL}"), "--model", made]
    words += ["--rows", tmp_path / "rows.parquet", "--checkpoints", path.parent]
    assert main([str(word) for word in words]) == 0
    assert f"{path}: not a tensor file of this project" in caplog.text
    whole = finished.path / f"results/models/{TASK}/{MODEL}.safetensors"
    assert made.read_bytes() == whole.read_bytes()
    assert not (path.parent / "marker").exists()


@pytest.mark.slow
@pytest.mark.parametrize("is_dated", [True, False])
def test_a_damaged_intermediate_is_made_again_once_it_is_deleted(finished, tmp_path, is_dated):
    """Snakemake looks at times and, where these differ, at content; jobs look at content always."""
    tree = finished.copy(tmp_path / "tree")
    prompts = tree.path / f"results/prompts/{TASK}.safetensors"
    rows = tree.path / f"results/metrics/{STUDY}/{TASK}.parquet"
    before = prompts.stat()
    altered(prompts)
    if not is_dated:
        os.utime(prompts, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert tree.due() == set()  # what nobody reads, nobody notices
        rows.unlink()
    target = ("--cores", "1", str(rows.relative_to(tree.path)))
    process = tree.start(*target)
    output, _ = process.communicate()
    assert process.returncode != 0, output
    name = prompts.relative_to(tree.path)
    assert f"{name}: altered since it was written; delete it and run again" in output
    prompts.unlink()
    tree.snakemake(*target)
    for path in (prompts, rows):
        whole = finished.path / path.relative_to(tree.path)
        assert path.read_bytes() == whole.read_bytes(), path
    assert tree.due() == set()

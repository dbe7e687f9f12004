"""Tasks and seeds at the edge of what settings allow go through all stages, or are refused."""

import shutil

import numpy as np
import pytest
import yaml

from benchmarks.environment import ROOT
from iclbench.__main__ import main
from iclbench.claims.scorecard import read_verdicts
from iclbench.config.reading import read_config
from iclbench.planning import make_plan
from iclbench.records import LEFT_OUT, read
from iclbench.training import train as training

TRAINING = {"steps": 6, "batch": 4, "learning_rate": 1e-3, "log_every": 2}
MODELS = {
    "augmented": {"kind": "attention_only"},
    "gpt2": {"kind": "gpt2", "width": 8, "heads": 2, "layers": 2},
}
FIGURES = ("leaderboard", "context", "iterates", "similarity", "training")
CLAIM = {
    "statement": "The trained model is no better than predicting zero.",
    "place": "here",
    "provenance": "derived",
    "evidence": ["extreme"],
    "where": {"metric": "normalised_error", "method": "augmented", "position": None},
    "statistic": {"kind": "value"},
    "criterion": {"above": 1},
    "scales": ["small"],
}


class Run:
    """A run of one task, all solvers and transformers, whose stages are called one by one."""

    def __init__(self, folder, task, seeds=1):
        self.folder = folder
        rooms = {
            "tasks": {"extreme": task},
            "models": {
                name: {"model": model, "training": TRAINING} for name, model in MODELS.items()
            },
            "scales": {"small": {"seeds": seeds, "prompts": 4}},
            "studies": {
                "main": {
                    **dict.fromkeys(("tasks", "models", "solvers"), "all"),
                    "figures": {kind: {"kind": kind} for kind in FIGURES},
                    "claims": {"Z": CLAIM},
                }
            },
        }
        for room, files in rooms.items():
            (folder / room).mkdir(parents=True)
            for name, settings in files.items():
                text = yaml.safe_dump({"summary": "An extreme one.", **settings})
                (folder / room / f"{name}.yaml").write_text(text)
        shutil.copytree(ROOT / "config/solvers", folder / "solvers")
        for name in ("ckd_linear", "ckd_softmax", "delta_layer", "mesa_layer", "newton_layers"):
            shutil.copy(ROOT / f"config/models/{name}.yaml", folder / "models")
        self.plan = make_plan(read_config({"scale": "small"}, folder))
        self.plan.write(folder / "plan")

    def stage(self, job, *words):
        stage = job.partition("/")[0]
        command = [stage, self.folder / "plan" / self.plan.file(job), *words]
        return main([str(word) for word in command])

    def train(self, model):
        checkpoints = ("--checkpoints", self.folder / "checkpoints" / model)
        rows = ("--rows", self.folder / f"{model}.parquet")
        made = self.folder / f"{model}.safetensors"
        return self.stage(f"train/extreme/{model}", "--model", made, *rows, *checkpoints)

    def predict(self):
        prompts, rows = self.folder / "prompts.safetensors", self.folder / "rows.parquet"
        assert self.stage("prompts/extreme", prompts) == 0
        models = self.plan.models["main", "extreme"]
        assert all(self.train(model) == 0 for model in models)
        files = [self.folder / f"{model}.safetensors" for model in models]
        assert (
            self.stage(
                *("predict/main/extreme", "--prompts", prompts, "--rows", rows, "--models", *files)
            )
            == 0
        )
        return read(rows)

    def decide(self):
        """Decide the claim; return its row."""
        verdicts, rows = self.folder / "verdicts.parquet", self.folder / "rows.parquet"
        assert self.stage("decide/main", "--verdicts", verdicts, "--rows", rows) == 0
        return read_verdicts([verdicts]).iloc[0]

    def draw(self):
        """Draw every figure, and write the page."""
        rows = self.folder / "rows.parquet"
        curves = [self.folder / f"{model}.parquet" for model in self.plan.models["main", "extreme"]]
        for figure in self.plan.figures.values():
            made = self.folder / f"{figure.name}.pdf"
            drawn = curves if figure.kind == "training" else [rows]
            assert self.stage(f"draw/{figure.name}", "--figure", made, "--rows", *drawn) == 0
            assert made.stat().st_size > 1000
        page = self.folder / "page.html"
        assert main(["explore", "--page", str(page), "--rows", str(rows)]) == 0


EXTREMES = {
    "states of one dimension": {"length": 9, "dynamics": {"kind": "linear", "dim": 1}},
    "inputs of one dimension": {"length": 9, "regression": {"kind": "linear", "dim": 1}},
    "one step": {"length": 1, "dynamics": {"kind": "haar", "dim": 3}},
    "one pair": {"length": 1, "regression": {"kind": "linear", "dim": 3}},
    "states in a plane of six dimensions": {
        "length": 9,
        "dynamics": {"kind": "periodic", "dim": 6, "period": 2},
    },
    "a covariance singular to rounding": {
        "length": 9,
        "regression": {"kind": "linear", "dim": 4, "condition": 1e8},
    },
}


QUICK = ("one pair", "states in a plane of six dimensions")
TASKS = [
    pytest.param(task, id=name, marks=() if name in QUICK else pytest.mark.slow)
    for name, task in EXTREMES.items()
]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_at_the_edge_is_predicted_measured_and_judged(tmp_path, task):
    run = Run(tmp_path, task)
    rows = run.predict()
    ran = rows[~rows.status.str.startswith(LEFT_OUT)]
    # Whatever is singular, what solves by least squares or by a penalty stays finite.
    for method in ("augmented", "conjugate_gradient", "ols", "ridge", "ridge_strong", "zero"):
        assert set(ran[(ran.method == method) & ran.reference.isna()].status) <= {"ok"}, method
    assert ran.value.notna().sum() == (ran.status == "ok").sum() > 100
    assert np.isfinite(ran.value.dropna()).all()
    verdict = run.decide()
    if "dynamics" in task:
        assert verdict.seeds == 1
        assert np.isfinite(verdict.value)
        assert np.isnan([verdict.low, verdict.high]).all()  # no interval of one seed
        assert verdict.verdict == "inconclusive"
    else:
        assert verdict.verdict == "not run"


@pytest.mark.slow
@pytest.mark.parametrize("task", EXTREMES.values(), ids=EXTREMES)
def test_a_task_at_the_edge_is_drawn(tmp_path, task):
    run = Run(tmp_path, task)
    run.predict()
    run.draw()


def test_a_seed_that_diverges_is_said_so_and_the_others_are_measured(tmp_path, monkeypatch):
    draw = training.batches

    def with_infinity(*arguments):
        for step, (inputs, outputs) in enumerate(draw(*arguments)):
            outputs[1] = np.where(step == 3, np.inf, outputs[1])
            yield inputs, outputs

    monkeypatch.setattr(training, "batches", with_infinity)
    run = Run(tmp_path, EXTREMES["one step"] | {"length": 9}, seeds=3)
    rows = run.predict()
    found = rows[(rows.method == "augmented") & (rows.metric == "normalised_error")]
    assert set(found[found.seed == 1].status) == {"diverged"}
    assert set(found[found.seed != 1].status) == {"ok"}
    curve = read(tmp_path / "augmented.parquet").query("seed == 1").sort_values("iterate")
    assert curve.status.tolist() == ["ok", "diverged", "diverged"]
    verdict = run.decide()
    assert verdict.verdict == "inconclusive"
    assert "diverged" in verdict.reason


def test_a_training_of_which_all_seeds_diverge_stops_and_says_what_to_change(
    tmp_path, monkeypatch, capsys
):
    draw = training.batches

    def infinite(*arguments):
        for inputs, outputs in draw(*arguments):
            yield inputs, np.full_like(outputs, np.inf)

    monkeypatch.setattr(training, "batches", infinite)
    run = Run(tmp_path, EXTREMES["one step"] | {"length": 9}, seeds=2)
    assert run.train("augmented") == 1
    said = capsys.readouterr().err
    assert "lower learning_rate" in said
    assert "Traceback" not in said
    assert not (tmp_path / "augmented.safetensors").exists()

"""What a run consists of."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from iclbench.config.faults import ConfigError
from iclbench.config.reading import read_config
from iclbench.planning import make_plan

ROOT = Path(__file__).parent.parent
STUDY = {
    "summary": "One.",
    "seeds": 4,
    "tasks": ["haar", "linear"],
    "solvers": ["zero"],
    "variants": {"mine": {"of": "augmented", "tasks": ["haar"]}},
    "measurements": {"words": {"kind": "icar_text", "text": "words.txt"}},
    "figures": {
        "curves": {"kind": "training"},
        "all": {"kind": "leaderboard"},
        "some": {"kind": "icar_depth", "from": ["haar", "training", "words"]},
        "each": {"kind": "context"},
    },
    "claims": {
        "one": {
            "statement": "Zero is bad.",
            "place": "here",
            "provenance": "derived",
            "evidence": ["linear", "words"],
            "statistic": {"kind": "value"},
            "criterion": {"above": 0},
            "scales": ["tiny"],
        }
    },
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for room in ("tasks", "models", "solvers", "scales"):
        (tmp_path / room).symlink_to(ROOT / "config" / room)
    (tmp_path / "scales").unlink()
    (tmp_path / "scales").mkdir()
    (tmp_path / "scales" / "tiny.yaml").write_text("summary: Tiny.\nseeds: 2\nprompts: 8\n")
    (tmp_path / "studies").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan_of(folder, **changes):
    (folder / "studies" / "mine.yaml").write_text(json.dumps(STUDY | changes))
    return make_plan(read_config({"scale": "tiny"}, folder))


def test_figures_read_the_tables_that_they_name(folder):
    figures = plan_of(folder).figures
    curves = ("training/haar/mine",)
    assert figures["curves"].tables == curves
    assert figures["all"].tables == ("mine/haar", "mine/linear")
    assert figures["some"].tables == ("mine/haar", *curves, "measured/mine/words")
    assert figures["each_linear"].tables == ("mine/linear",)


def test_a_claim_reads_its_evidence_and_a_study_that_of_all(folder):
    decisions = plan_of(folder).decisions
    tables = ("measured/mine/words", "mine/linear")
    assert decisions["mine/one"].tables == decisions["mine"].tables == tables


def test_a_claim_of_another_scale_reads_nothing(folder):
    elsewhere = {
        "one": STUDY["claims"]["one"] | {"scales": ["paper"], "evidence": ["haar", "moon"]}
    }
    (folder / "scales" / "paper.yaml").write_text("summary: Large.\nseeds: 9\nprompts: 99\n")
    assert plan_of(folder, claims=elsewhere).decisions["mine/one"].tables == ()


def test_a_variant_is_trained_on_its_tasks_with_the_seeds_of_its_study(folder):
    plan = plan_of(folder)
    assert plan.trained == {"haar": ["mine"], "linear": []}
    assert '"seeds": 4' in plan.texts["train/haar/mine"]
    assert '"seeds": 2' in plan_of(folder, seeds=None).texts["train/haar/mine"]


def test_a_file_that_a_measurement_reads_is_part_of_its_plan(folder):
    texts = set()
    for words in ("a b c", "a b c", "a b d"):
        Path("words.txt").write_text(words)
        texts.add(plan_of(folder).texts["measure/mine/words"])
    assert len(texts) == 2


def test_another_claim_changes_no_other_plan(folder):
    before = plan_of(folder).texts
    other = STUDY["claims"] | {"two": STUDY["claims"]["one"] | {"criterion": {"below": 2}}}
    after = plan_of(folder, claims=other).texts
    changed = {job for job in after if before.get(job) != after[job]}
    assert changed == {"decide/mine", "decide/mine/two"}


EXAMINED = {"kind": "newton_memory", "of": "haar", "methods": ["mine", "zero"]}


def test_an_examination_reads_prompts_and_the_trained_models_among_its_methods(folder):
    plan = plan_of(folder, measurements={**STUDY["measurements"], "memory": EXAMINED})
    assert plan.examined == {("mine", "memory"): ("haar", ["mine"])}
    text = json.loads(plan.texts["examine/mine/memory"])["settings"]
    assert text["task"]["name"] == "haar"
    assert list(text["methods"]) == ["mine", "zero"]
    assert "measure/mine/memory" not in plan.texts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"of": "har"}, "measurements.memory.of: 'har' is no task of this study; did you mean"),
        ({"methods": ["mime"]}, "'mime' is no method of this study on haar; did you mean 'mine'?"),
        (
            {"of": "linear", "methods": ["zero", "normed"]},
            "'normed' cannot work on linear: needs autoregressive",
        ),
    ],
)
def test_an_examination_of_what_is_not_there_is_a_fault(folder, changes, message):
    variants = {**STUDY["variants"], "normed": {"of": "gd_one_step_normalised"}}
    measurements = {**STUDY["measurements"], "memory": EXAMINED | changes}
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan_of(folder, measurements=measurements, variants=variants)


def test_planning_loads_no_large_library():
    script = (
        "import sys, iclbench.config.reading, iclbench.planning;"
        "sys.exit(bool({'torch._C', 'pandas', 'scipy', 'matplotlib'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

"""What the next run does, in words."""

import pytest

from iclbench.commands.why import cause, read_dry_run
from iclbench.plan import Plan

PLAN = Plan([], {}, {}, {}, {}, {}, {}, {}, texts={})
SAID = """
rule draw_prompts:
    output: results/prompts/haar.safetensors
    log: results/logs/prompts/haar.log
    reason: {reason}
"""


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "Missing output files: results/prompts/haar.safetensors; Updated input files: "
            "results/plan/prompts/haar.0123456789abcdef.json",
            "its result is missing",
        ),
        ("Missing output files: results/prompts/haar.safetensors", "its result is missing"),
        ("Forced execution", "it was asked for"),
        ("Something new", "Something new"),
    ],
)
def test_the_cause_of_a_job(tmp_path, monkeypatch, reason, words):
    monkeypatch.chdir(tmp_path)
    (due,) = read_dry_run(SAID.format(reason=reason))
    assert cause(PLAN, due) == words


def test_an_output_that_is_there_was_made_from_another_plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = tmp_path / "results/prompts/haar.safetensors"
    result.parent.mkdir(parents=True)
    result.touch()
    reason = "Updated input files: results/plan/prompts/haar.0123456789abcdef.json"
    (due,) = read_dry_run(SAID.format(reason=reason))
    assert cause(PLAN, due) == "its plan is newer than its result"

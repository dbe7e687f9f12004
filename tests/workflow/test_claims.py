"""Claims are decided from rows, and fall when what they speak of is broken."""

from dataclasses import replace

import pandas as pd
import pytest

from blocks import blocks_of

pytestmark = pytest.mark.dag

(BLOCK,) = [block for block in blocks_of("CONTRIBUTING.md") if block.under == "claims"]


def verdicts(tree, name="scorecard"):
    table = pd.read_parquet(tree.path / f"results/claims/{name}.parquet")
    return table.set_index("id")


def test_controls_are_refuted_by_several_statistics(finished):
    controls = verdicts(finished).query("control and verdict != 'not run'")
    assert set(controls.verdict) == {"refuted"}
    assert len(controls) >= 4
    kinds = controls.statistic.str.extract(r"(weakest|slope|two one-sided|÷|−|in every|averaged)")
    assert kinds[0].nunique() >= 3


def test_smoke_scale_decides_what_it_can_as_expected(finished):
    decided = verdicts(finished).query("as_expected.notna()")
    assert len(decided) >= 30
    assert decided.as_expected.all(), decided[~decided.as_expected.astype(bool)].reason.tolist()


def test_a_claim_that_is_not_run_says_why(finished):
    left = verdicts(finished).query("as_expected.isna()")
    assert set(left.verdict) == {"not run"}
    assert left.reason.str.startswith("It is decided at scale").all()


def test_the_scorecard_has_its_columns(finished):
    names = "study statement provenance statistic value low high criterion paper_value seeds"
    columns = [*names.split(), "scale", "verdict", "reason", "command"]
    assert set(columns) <= set(verdicts(finished).columns)
    page = (finished.path / "results/claims/scorecard.html").read_text()
    for claim in verdicts(finished).index:
        assert claim in page


def test_a_new_claim_is_a_few_lines_of_yaml(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    BLOCK.write(tree.path)
    assert tree.due() == {
        "results/claims/icar.parquet",
        "results/claims/scorecard.parquet",
        "results/claims/scorecard.html",
    }
    printed = tree.snakemake("claim_icar_zero", "--cores", "1")
    assert "✓ supported" in printed
    assert verdicts(tree, "icar/zero").verdict.tolist() == ["supported"]


def test_strict_runs_fail_where_a_verdict_is_not_as_expected(finished, tmp_path):
    tree = finished.copy(tmp_path / "tree")
    strict = ("--cores", "1", "--config", "strict=true")
    tree.snakemake(*strict)
    assert "near: 0.2" in BLOCK.text
    replace(BLOCK, text=BLOCK.text.replace("near: 0.2", "near: 0.3")).write(tree.path)
    process = tree.start(*strict)
    output, _ = process.communicate()
    assert process.returncode != 0
    assert "icar/zero" in output


@pytest.mark.parametrize(
    ("source", "right", "wrong", "claims"),
    [
        (
            "solvers/prefix_attention.py",
            "(weights + missing, outputs,",
            "(weights + missing, 0.99 * outputs,",
            ("ckd_E2", "ckd_E6"),
        ),
        (
            "solvers/causal_kernel_descent.py",
            "- causal_product(own, update)",
            "- 0.99 * causal_product(own, update)",
            ("ckd_E1", "ckd_E3_exact"),
        ),
    ],
)
def test_claims_fall_with_the_solver_they_speak_of(
    finished, tmp_path, source, right, wrong, claims
):
    tree = finished.copy(tmp_path / "tree")
    path = tree.path / "src/iclbench" / source
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong, 1))
    tree.snakemake(*(f"claim_{claim}" for claim in claims), "--cores", "2")
    for claim in claims:
        study, _, name = claim.partition("_")
        assert verdicts(tree, f"{study}/{name}").verdict.tolist() == ["refuted"]

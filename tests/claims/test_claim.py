"""A claim in YAML is read, or refused with what would be right."""

import json
import subprocess
import sys

import pytest
import yaml
from pydantic import ValidationError

from iclbench.claims.claim import Claim
from iclbench.claims.criterion import Criterion
from iclbench.claims.filters import NUMBERS, TEXTS
from iclbench.records.schema import KEY

GOOD = """\
statement: The error falls by a constant factor a period.
place: Theorem 3, equation 12
provenance: published
evidence: [periodic]
where: {metric: error, method: limit, iterate: {from: 2, to: 9}, position: null}
statistic: {kind: value, reduce: max, over: every}
criterion: {below: 1e-2}
paper_value: 0.0361
scales: [smoke, laptop]
figure: ckd_rates
"""


def read(text):
    return Claim.model_validate(yaml.safe_load(text))


def test_a_claim_survives_the_plan():
    claim = read(GOOD)
    assert Claim.model_validate(json.loads(json.dumps(claim.model_dump(mode="json")))) == claim
    assert claim.region.bounds == (-float("inf"), 0.01)


def test_filters_are_on_the_columns_that_tell_rows_apart():
    assert {*TEXTS, *NUMBERS} == set(KEY)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("metric: error", "metrik: error", "'metrik' is no column .* did you mean 'metric'?"),
        ("metric: error", "value: 3", "'value' is no column"),
        ("metric: error", "metric: []", "metric: an empty list"),
        ("metric: error", "metric: 3", "metric: 3: expected a name"),
        ("metric: error", "metric: null", "metric: None: expected a name"),
        ("metric: error", "metric: {from: a, to: b}", "metric: holds names"),
        ("metric: error", "seed: last", "seed: 'last': expected a whole number$"),
        ("from: 2, to: 9", "from: 9, to: 2", "expected from ≤ to"),
        ("from: 2, to: 9", "form: 2", r"expected \{from: a, to: b\}"),
        ("{from: 2, to: 9}", "first", "iterate: 'first': expected a whole number or last"),
        ("{from: 2, to: 9}", "true", "iterate: True: expected a whole number"),
        ("criterion: {below: 1e-2}", "", "criterion: missing; a statistic of kind value needs one"),
        ("below: 1e-2", "below: 1, above: 0", "found above, below; expected exactly one"),
        ("below: 1e-2", "near: 1", "found near; expected exactly one"),
        ("below: 1e-2", "near: 1, within: 1, within_relative: 1", "expected exactly one"),
        ("{below: 1e-2}", "{}", "found nothing; expected exactly one"),
        ("below: 1e-2", "between: [2, 1]", "expected the lower bound first"),
        ("below: 1e-2", "near: 0, within_relative: 0.1", "expected within"),
        ("below: 1e-2", "below: .nan", "finite number"),
        ("[periodic]", "[]", "at least 1 item"),
        ("[periodic]", "[periodic, periodic]", "evidence: a name is listed twice"),
        ("kind: value", "kind: valeu", "valeu"),
        ("provenance: published", "provenance: rumour", "published"),
        ("figure:", "figur:", "figur"),
    ],
)
def test_faults_say_what_is_expected(old, new, said):
    assert old in GOOD
    with pytest.raises(ValidationError, match=f"(?ms){said.replace('$', '($| )')}"):
        read(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("criterion", "inside", "outside"),
    [
        ({"below": 2}, [-9, 1.9], [2, 3]),
        ({"above": 2}, [2.1], [2, -9]),
        ({"between": [1, 2]}, [1, 1.5, 2], [0.9, 2.1]),
        ({"near": -2, "within": 0.5}, [-2.5, -1.5], [-2.6, 2]),
        ({"near": -2, "within_relative": 0.25}, [-2.5, -1.5], [-2.6, 2]),
        ({"near": 0.1, "within": 0}, [0.1], [0.1000001]),
    ],
)
def test_a_criterion_is_a_region(criterion, inside, outside):
    criterion = Criterion.model_validate(criterion)
    assert all(criterion.holds(float(value)) for value in inside)
    assert not any(criterion.holds(float(value)) for value in outside)


def test_orderings_have_a_criterion_of_their_own():
    sides = "{kind: ordering, smallest_first: [{method: a}, {method: b}]}"
    text = GOOD.replace("{kind: value, reduce: max, over: every}", sides)
    assert read(text.replace("criterion: {below: 1e-2}", "")).region.words == "above 0"


def test_the_schema_for_editors_knows_the_columns_and_kinds():
    schema = Claim.model_json_schema()
    assert set(schema["properties"]["where"]["properties"]) == set(KEY)
    assert schema["properties"]["where"]["additionalProperties"] is False
    assert set(schema["properties"]["statistic"]["discriminator"]["mapping"]) == {
        "value",
        "ratio",
        "difference",
        "ordering",
        "monotone",
        "slope",
        "equivalence",
    }


def test_reading_claims_imports_nothing_heavy():
    code = (
        "import sys, iclbench.claims.claim\n"
        "print(*{'torch', 'pandas', 'scipy', 'pyarrow', 'numpy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

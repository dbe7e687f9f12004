"""The scorecard as a table, a page and a text."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from claim_rows import claim, rows_of

from iclbench.claims.page import render, write_page
from iclbench.claims.scorecard import (
    SCHEMA,
    as_records,
    make_record,
    read_verdicts,
    write_scorecard,
    write_verdicts,
)
from iclbench.claims.terminal import as_text
from iclbench.claims.verdicts import decide
from iclbench.files import DamagedFileError

EVIL = '<script>alert("1")</script> & \u201ce\u0301\u201d'


def record(name, values=(0.1, 0.2, 0.3), criterion=None, control=False, study="ckd", **options):
    asked = claim(None, criterion or {"below": 1.0}, **options)
    verdict = decide(asked, rows_of(np.array(values)), "laptop")
    return make_record(
        asked,
        verdict,
        study=study,
        name=name,
        control=control,
        paper=None if study == "own" else "Doe 2024",
        scale="laptop",
        root=0,
        evidence=["measured/ckd/periodic"],
        config="c0ffee",
        code="deadbeef",
    )


RECORDS = {
    "F1": record("F1", control=True, criterion={"above": 1}),
    "E10": record("E10", values=[0.1, 2.0, 5.0], note="Their step is another.", figure="rates"),
    "E2": record("E2", values=[5.0, 5.1, 5.2], paper_value=0.0361, statement=EVIL),
    "E1": record("E1"),
    "own": record("A", study="own", scales=["paper"]),
}


@pytest.fixture
def verdicts(tmp_path):
    paths = []
    for name, row in RECORDS.items():
        write_verdicts(tmp_path / f"{name}.parquet", [row])
        paths.append(tmp_path / f"{name}.parquet")
    return read_verdicts(paths)


def test_claims_come_in_natural_order_and_controls_last(verdicts):
    assert verdicts["id"].tolist() == ["ckd/E1", "ckd/E2", "ckd/E10", "ckd/F1", "own/A"]
    assert verdicts["verdict"].tolist() == [
        "supported",
        "refuted",
        "inconclusive",
        "refuted",
        "not run",
    ]


def test_the_table_survives_writing(verdicts, tmp_path):
    records = {row["id"]: row for row in as_records(verdicts)}
    assert records == {row["id"]: row for row in RECORDS.values()}
    write_scorecard(verdicts, tmp_path / "all.parquet")
    again = read_verdicts([tmp_path / "all.parquet"])
    pd.testing.assert_frame_equal(again, verdicts)
    write_scorecard(again, tmp_path / "again.parquet")
    assert (tmp_path / "all.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()
    assert pd.read_parquet(tmp_path / "all.parquet").columns.tolist() == SCHEMA.names


def test_what_is_expected(verdicts):
    assert [row["as_expected"] for row in as_records(verdicts)] == [True, False, False, True, None]


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "E1.parquet"
    path.write_bytes(b"no table")
    with pytest.raises(DamagedFileError, match=re.escape(str(path))):
        read_verdicts([path])
    pd.DataFrame({"id": ["x"]}).to_parquet(path)
    with pytest.raises(DamagedFileError, match="columns are not those of a verdict"):
        read_verdicts([path])


class Page(HTMLParser):
    """The tags of a page, checked for balance."""

    VOID = ("meta", "br", "rect", "line", "path", "circle")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_stands_alone(verdicts, tmp_path):
    write_page(verdicts, tmp_path / "claims" / "index.html")
    text = (tmp_path / "claims" / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "://" not in text
    assert not any(tag in ("link", "img", "iframe") for tag, _ in page.tags)
    assert not any("src" in attributes for _, attributes in page.tags)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    anchors = [given["id"] for tag, given in page.tags if tag == "tbody"]
    assert anchors == ["ckd-E1", "ckd-E2", "ckd-E10", "ckd-F1", "own-A"]
    links = {given["href"] for tag, given in page.tags if tag == "a"}
    assert {"../figures/rates.png", "../figures/rates.pdf"} < links
    assert "../metrics/measured/ckd/periodic.parquet" in links
    said = " ".join(page.text)
    for row in RECORDS.values():
        for name in ("statement", "place", "reason", "command", "criterion", "statistic"):
            assert row[name] in said
    assert "Their step is another." in said
    assert "undefined" not in said
    assert "None" not in said


def test_an_empty_page():
    page = Page(render(read_verdicts([])))
    assert page.open == []
    assert "No claims were run." in " ".join(page.text)


@pytest.mark.parametrize("colour", [False, True])
def test_the_text_fits_a_terminal(verdicts, colour):
    text = as_text(verdicts, colour)
    plain = re.sub(r"\033\[\d+m", "", text)
    assert (plain != text) == colour
    assert max(map(len, plain.splitlines())) <= 100
    assert "4 claims: 1 supported, 1 refuted, 1 inconclusive, 1 not run" in plain
    assert "1 control: 1 refuted, as it must be" in plain
    assert "Otherwise than expected" in plain
    surprises = plain.split("Otherwise than expected")[1]
    assert "ckd/E2 refuted" in surprises
    assert "ckd/E10 inconclusive" in surprises
    assert "ckd/E1 " not in surprises
    assert "ckd/F1" not in surprises
    for glyph in "✓✗?–":
        assert glyph in plain


def test_long_names_are_cut_not_overflowing():
    row = record("E1") | {
        "criterion": "between " + "9" * 60,
        "id": "ckd/" + "E" * 60,
        "paper": "P" * 200,
        "value": -1.23456789e-13,
        "low": -1.23456799e-13,
        "high": -1.23456779e-13,
    }
    frame = pd.DataFrame([row, row | {"as_expected": False}])
    assert max(map(len, as_text(frame, False).splitlines())) <= 100


def test_an_empty_text():
    assert as_text(read_verdicts([]), False)

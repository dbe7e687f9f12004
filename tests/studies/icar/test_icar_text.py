"""Windows that no linear map reproduces: the Gram form, what makes them, and what may lack."""

from __future__ import annotations

import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from iclbench.files import JobError
from iclbench.records import write
from iclbench.studies.icar.text import Text, built_in_text, rollout_errors

LABELS = {"study": "icar", "task": "m", "scale": "smoke", "config": "c", "code": "d"}


def rows_of(measurement):
    return pd.concat(measurement.measure(("icar", "m"), LABELS), ignore_index=True)


def is_consistent(window):
    following = {}
    return all(following.setdefault(a, b) == b for a, b in pairwise(window))


def unit_vectors(count, dim, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, dim))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(deadline=None, max_examples=60)
@given(window=st.lists(st.integers(0, 3), min_size=3, max_size=7))
def test_the_gram_form_is_least_squares_rolled_out(window):
    s = unit_vectors(4, 9)[window]
    W = np.linalg.lstsq(s[:-1], s[1:], rcond=1e-6)[0].T
    rolled = [s[0]]
    for _ in s[1:]:
        rolled.append(W @ rolled[-1])
    expected = np.mean((np.array(rolled) - s) ** 2)
    assert rollout_errors(s[None])[0] == pytest.approx(expected, rel=1e-8, abs=1e-13)


@settings(deadline=None, max_examples=60)
@given(window=st.lists(st.integers(0, 4), min_size=3, max_size=7))
def test_only_a_token_with_different_successors_leaves_an_error(window):
    error = rollout_errors(unit_vectors(5, 12)[window][None])[0]
    assert (error < 1e-12) == is_consistent(window)


def test_errors_do_not_turn_with_the_embedding():
    s = unit_vectors(4, 9)[[0, 1, 0, 2, 3]]
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(9, 9)))[0]
    np.testing.assert_allclose(rollout_errors((s @ Q)[None]), rollout_errors(s[None]))


def test_counts_are_those_of_the_tokens(tmp_path):
    path = tmp_path / "text.txt"
    words = np.random.default_rng(0).choice(list("abcdefg"), 260)
    path.write_text(" ".join(words), encoding="utf-8")
    rows = rows_of(Text(kind="icar_text", text=str(path), dim=50, windows=40, seeds=2))
    write(rows, tmp_path / "rows.parquet", {})
    expected = sum(not is_consistent(list(words[5 * w : 5 * w + 5])) for w in range(40))
    counts = rows[rows["metric"] == "inconsistent"].set_index(["reference", "seed"])["value"]
    assert counts["original"].tolist() == [expected, expected]
    assert (rows["n"] == 40).all()
    errors = rows[rows["metric"] == "window_error"]
    assert (errors["seed"] == 0).all()
    assert len(errors[errors["reference"] == "original"]) == expected
    assert (errors["value"] > 1e-12).all()


def test_the_built_in_text_is_prose():
    text = built_in_text()
    assert "::=" not in text
    assert ">>>" not in text


def test_marks_decide_how_the_built_in_text_compares():
    ratios = {}
    for drop in (False, True):
        rows = rows_of(Text(kind="icar_text", dim=40, windows=3000, seeds=1, drop_marks=drop))
        assert set(rows["method"]) == {"random_no_marks" if drop else "random"}
        counts = rows[rows["metric"] == "inconsistent"].set_index("reference")["value"]
        ratios[drop] = counts["original"] / counts["shuffled"]
    assert ratios[True] < 0.9 < 1 < ratios[False]


def test_marks_are_dropped_from_any_text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text('"a b" *c* d', encoding="utf-8")
    counts = {
        drop: rows_of(Text(kind="icar_text", text=str(path), size=4, drop_marks=drop, dim=9))["n"]
        for drop in (False, True)
    }
    assert set(counts[False]) == {2}
    assert set(counts[True]) == {1}


def test_a_text_that_is_too_short_or_missing_is_an_error(tmp_path):
    path = tmp_path / "text.txt"
    with pytest.raises(JobError, match="UTF-8"):
        rows_of(Text(kind="icar_text", text=str(path)))
    path.write_text("one two three", encoding="utf-8")
    with pytest.raises(JobError, match="fewer than a window"):
        rows_of(Text(kind="icar_text", text=str(path)))


class FakeTokenizer:
    @staticmethod
    def from_file(path):
        return FakeTokenizer()

    def encode(self, text):
        return SimpleNamespace(ids=[ord(letter) - ord("a") + 3 for letter in text])


def gpt2(tmp_path, **settings):
    path = tmp_path / "text.txt"
    path.write_text("abcdeabacdxyzxy", encoding="utf-8")
    return Text(
        kind="icar_text", encoder="gpt2", text=str(path), embeddings=str(tmp_path), **settings
    )


def test_gpt2_is_left_out_without_its_embeddings():
    rows = rows_of(Text(kind="icar_text", encoder="gpt2"))
    assert rows["status"].item().startswith("left out: needs GPT-2")
    assert rows["method"].item() == "gpt2"


def test_gpt2_asks_for_the_package_that_lacks(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(JobError, match="pip install tokenizers"):
        rows_of(gpt2(tmp_path))


def test_gpt2_reads_a_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", SimpleNamespace(Tokenizer=FakeTokenizer))
    with pytest.raises(JobError, match=r"tokenizer\.json: no such file"):
        rows_of(gpt2(tmp_path))
    (tmp_path / "tokenizer.json").touch()
    weights = np.random.default_rng(0).normal(size=(40, 24)).astype(np.float32)
    save_file({"other": weights}, tmp_path / "model.safetensors")
    with pytest.raises(JobError, match="no tensor"):
        rows_of(gpt2(tmp_path))
    save_file({"transformer.wte.weight": weights}, tmp_path / "model.safetensors")
    rows = rows_of(gpt2(tmp_path, seeds=1))
    counts = rows[rows["metric"] == "inconsistent"].set_index("reference")["value"]
    assert counts["original"] == 1
    vectors = weights[[3, 4, 3, 5, 6]].astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    wrong = rows[(rows["metric"] == "window_error") & (rows["reference"] == "original")]
    np.testing.assert_allclose(wrong["value"], rollout_errors(vectors[None]), rtol=1e-9)

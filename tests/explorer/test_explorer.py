"""The page to look through results on, as a browser shows it."""

import re

import numpy as np
import pandas as pd
import pytest
from browser import looked_at, needs_browser

from iclbench.explorer.curves import tables_of
from iclbench.explorer.page import write_page
from iclbench.records import RecordError, make_rows, write

LENGTH = 8


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    rng = np.random.default_rng(0)
    for task, level in (("easy", 1e-2), ("hard", 1.0)):
        rows = []
        for method, family, seeds, depths in (
            ("gpt2_2", "trained", 3, [1, 2]),
            ("gpt2_10", "trained", 3, [1, 2]),
            ("ols", "solver", 1, [0]),
            ("bayes", "reference", 1, [0]),
        ):
            for seed in range(seeds):
                labels = {
                    "study": "leaderboard",
                    "task": task,
                    "method": method,
                    "family": family,
                    "seed": seed,
                    "scale": "smoke",
                    "config": "c",
                    "code": "d",
                }
                for metric in ("squared_error", "normalised_error"):
                    for depth in depths:
                        values = level * rng.uniform(0.5, 1, LENGTH) / (1 + depth)
                        if (method, task) == ("ols", "hard"):
                            values[3] = 1e-28
                        rows.append(
                            make_rows(
                                labels,
                                metric=metric,
                                iterate=depth,
                                position=np.arange(LENGTH),
                                value=values,
                                stderr=values / 10,
                                n=5,
                            )
                        )
        path = root / "metrics/leaderboard" / f"{task}.parquet"
        write(pd.concat(rows, ignore_index=True), path, {})
    write_page(sorted((root / "metrics").rglob("*.parquet")), root / "explore.html")
    return root


def test_curves_are_means_over_seeds_within_their_intervals(results):
    (table,) = tables_of([results / "metrics/leaderboard/easy.parquet"], results)
    assert list(table["families"]) == ["gpt2_2", "gpt2_10", "ols", "bayes"]
    for axes in table["metrics"].values():
        for curves in axes.values():
            for method, curve in curves.items():
                assert len(curve["seeds"]) == (3 if method.startswith("gpt2") else 0)
                for k, (y, low, high) in enumerate(
                    zip(curve["y"], curve["low"], curve["high"], strict=True)
                ):
                    assert low <= y <= high
                    of_seeds = [seed[k] for seed in curve["seeds"]]
                    if of_seeds:
                        assert y == pytest.approx(np.exp(np.mean(np.log(of_seeds))), rel=1e-3)
    assert table["metrics"]["squared_error"]["iterate"]["gpt2_2"]["x"] == [1, 2]
    assert table["metrics"]["squared_error"]["position"]["ols"]["x"] == list(range(LENGTH))


def test_a_table_without_these_metrics_is_refused(results, tmp_path):
    labels = {"study": "s", "task": "t", "method": "m", "family": "solver", "seed": 0}
    rows = make_rows(
        labels | {"scale": "smoke", "config": "c", "code": "d"},
        metric="x",
        iterate=0,
        value=1.0,
        n=1,
    )
    write(rows, tmp_path / "t.parquet", {})
    with pytest.raises(RecordError, match="no rows of normalised_error"):
        tables_of([tmp_path / "t.parquet"], tmp_path)


def test_the_page_needs_no_network(results):
    text = (results / "explore.html").read_text()
    page = re.sub(r"<script>/\*.*?</script>", "", text, flags=re.DOTALL)
    assert "<script src" not in text
    assert not re.search(r'(src|href)="https?:', page)
    again = results / "again.html"
    write_page(sorted((results / "metrics").rglob("*.parquet")), again)
    assert again.read_bytes() == (results / "explore.html").read_bytes()


SEEN = """
const seen = () => {
  const chart = document.getElementById("chart");
  const named = chart.data.filter((trace) => trace.name);
  return {lines: named.map((trace) => trace.name), y: named.map((trace) => [...trace.y]),
    x: [...named[0].x], type: chart.layout.yaxis.type, axis: chart.layout.xaxis.title.text,
    hover: named[0].text, drawn: chart.querySelectorAll(".scatterlayer .trace").length,
    range: chart.layout.yaxis.range};
};
const choose = (name, value) => {
  const field = document.getElementById(name);
  field.value = value;
  field.dispatchEvent(new Event("change"));
};
"""


@needs_browser
@pytest.mark.parametrize("width", [1280, 800])
def test_it_opens_without_an_error_and_fits(results, tmp_path, width):
    script = (
        SEEN
        + "told.first = seen(); told.overflow = document.documentElement.scrollWidth > innerWidth;"
        'told.chart = document.getElementById("chart").getBoundingClientRect().width;'
    )
    told, console = looked_at(results / "explore.html", tmp_path, script, width)
    assert console == []
    assert not told["overflow"]
    assert told["chart"] > 0.7 * width - 100
    assert set(told["first"]["lines"]) == {"gpt2_2", "gpt2_10", "ols", "bayes"}
    assert told["first"]["drawn"] >= 4
    assert "seeds: " in told["first"]["hover"][0]
    assert "95 %" in told["first"]["hover"][0]


@needs_browser
def test_the_controls_change_the_picture(results, tmp_path):
    script = (
        SEEN
        + """
    told.first = seen();
    choose("table", "leaderboard/hard"); told.hard = seen();
    told.link = document.querySelector("#note a").getAttribute("href");
    choose("metric", "squared_error"); told.squared = seen();
    choose("scale", "linear"); told.linear = seen();
    choose("axis", "iterate"); told.iterate = seen();
    document.querySelector('#methods input[value="ols"]').click(); told.without = seen();
    document.querySelector("#methods button:nth-of-type(2)").click(); told.none = seen();
    told.hash = decodeURIComponent(location.hash);
    """
    )
    told, console = looked_at(results / "explore.html", tmp_path, script)
    assert console == []
    assert told["hard"]["y"] != told["first"]["y"]
    assert told["link"] == "metrics/leaderboard/hard.parquet"
    assert (told["hard"]["type"], told["linear"]["type"]) == ("log", "linear")
    low, high = told["hard"]["range"]
    assert 10 <= high - low < 12  # not down to 1e-28
    assert told["squared"]["y"] != told["hard"]["y"]
    assert told["linear"]["y"] == told["squared"]["y"]
    assert "iterate" in told["iterate"]["axis"]
    assert told["iterate"]["x"] == [1, 2]
    assert set(told["iterate"]["lines"]) - set(told["without"]["lines"]) == {"ols"}
    assert set(told["none"]["lines"]) == {"bayes"}
    assert '"table":"leaderboard/hard"' in told["hash"]

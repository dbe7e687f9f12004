"""The report, as a browser shows it, and the page of the run's settings in it."""

import html
import re

import pytest
from browser import looked_at, needs_browser

pytestmark = pytest.mark.dag

LOOK = """
const seen = () => document.body.innerText;
const press = async (name) => {
  app.setView({navbarMode: "menu"});
  await wait(300);
  const found = [...document.querySelectorAll("nav a")];
  found.find((each) => each.innerText.trim() === name).click();
  await wait(500);
};
told.first = seen();
told.wide = document.documentElement.scrollWidth > innerWidth;
await press("ckd");
told.ckd = seen();
await press("claims");
told.claims = seen();
await press("run");
told.run = seen();
"""


@pytest.fixture(scope="module")
def reported(finished, tmp_path_factory):
    tree = finished.copy(tmp_path_factory.mktemp("report") / "tree")
    tree.snakemake("--report", "results/report.html")
    return tree


def test_the_report_needs_no_network(reported):
    report = (reported.path / "results/report.html").read_text()
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', report)


@needs_browser
@pytest.mark.parametrize("width", [1280, 800])
def test_the_report_opens_and_leads_to_what_is_in_it(reported, tmp_path, width):
    told, console = looked_at(reported.path / "results/report.html", tmp_path, LOOK, width)
    # The report brings its stylesheets as a script, of which that script warns.
    assert [line for line in console if "cdn.tailwindcss.com should not" not in line] == []
    assert not told["wide"]
    for category in ("ckd", "claims", "leaderboard", "run"):
        assert category in told["first"]
    assert "at scale smoke" in told["first"]
    assert "ckd_rates" in told["ckd"]
    assert {"figure", "task", "methods"} <= set(told["ckd"].lower().split())
    assert "scorecard" in told["claims"]
    assert "settings" in told["run"]


def test_every_figure_has_a_caption(reported):
    report = (reported.path / "results/report.html").read_text()
    for words in ("what leaves it", "the verdict on it at this scale", "Every setting of the run"):
        assert words in report or html.escape(words) in report


@needs_browser
@pytest.mark.parametrize("width", [1280, 800])
def test_the_settings_of_the_run_are_on_one_page(finished, tmp_path, width):
    page = finished.path / "results/settings.html"
    script = """
      told.names = [...document.querySelectorAll("summary b")].map((each) => each.textContent);
      for (const each of document.querySelectorAll("details")) each.open = true;
      told.text = document.body.innerText;
      told.wide = document.documentElement.scrollWidth > innerWidth;
    """
    told, console = looked_at(page, tmp_path, script, width)
    assert console == []
    assert not told["wide"]
    assert {"haar", "kaczmarz", "gpt2", "icar", "newton_gpt2"} <= set(told["names"])
    assert "learning_rate: 0.002" in told["text"]
    # Figures as in YAML.
    assert "from:" in told["text"]
    assert "tables:" not in told["text"]
    # As the scale says: of the file it would be 40.
    haar = told["text"].partition("\nhaar")[2][:400]
    assert "length: 12" in haar

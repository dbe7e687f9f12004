"""The scorecard as a web page that needs no network."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from iclbench.claims.numbers import interval, number
from iclbench.claims.scorecard import VERDICTS, as_records
from iclbench.claims.terminal import GLYPHS
from iclbench.files import written_aside

DRAWN_WIDTH, MARGIN = 168.0, 10.0
"""Of the drawing of an interval, in CSS pixels."""


def write_page(verdicts: pd.DataFrame, path: Path) -> None:
    """Write the page; its links lead to the folders ``figures`` and ``metrics`` beside its own.

    Args:
        verdicts: As ``iclbench.claims.scorecard.read_verdicts`` returns them.
        path: The HTML file, such as results/claims/index.html.
    """
    with written_aside(path) as aside:
        aside.write_text(render(verdicts), encoding="utf-8")


def render(verdicts: pd.DataFrame) -> str:
    """Return the text of the page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = files("iclbench.claims").joinpath("page.html.j2").read_text(encoding="utf-8")
    records = as_records(verdicts)
    return environment.from_string(text).render(
        claims=[_view(record, place) for place, record in enumerate(records)],
        tallies=[_tally(records, is_control) for is_control in (False, True)],
        studies=_studies(records),
        surprises=sum(record["as_expected"] is False for record in records),
        scales=sorted({record["scale"] for record in records}),
        glyphs=GLYPHS,
        width=DRAWN_WIDTH,
    )


def _tally(records: list[dict[str, Any]], is_control: bool) -> dict[str, Any]:
    words = [record["verdict"] for record in records if record["control"] == is_control]
    return {
        "noun": "control" if is_control else "claim",
        "total": len(words),
        "counts": _counts(words),
    }


def _counts(words: list[str]) -> list[tuple[str, int]]:
    return [(word, words.count(word)) for word in VERDICTS]


def _studies(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the name and paper of each study, and how its claims came out."""
    found = []
    for name in dict.fromkeys(record["study"] for record in records):
        members = [record for record in records if record["study"] == name]
        words = [record["verdict"] for record in members if not record["control"]]
        found.append({"name": name, "paper": members[0]["paper"], "counts": _counts(words)})
    return found


def _view(record: dict[str, Any], place: int) -> dict[str, Any]:
    """Return a record with what the template needs beside it."""
    figure = record["figure"] and f"../figures/{quote(record['figure'])}"
    return record | {
        "anchor": record["id"].replace("/", "-"),
        "glyph": GLYPHS[record["verdict"]],
        "effect": interval(record["value"], record["low"], record["high"]),
        "paper_number": "" if record["paper_value"] is None else number(record["paper_value"]),
        "drawing": _drawing(record),
        "figure_links": [(end, f"{figure}.{end}") for end in ("png", "pdf")] if figure else [],
        "row_links": [(name, f"../metrics/{quote(name)}.parquet") for name in record["evidence"]],
        "place_in_order": place,
        "verdict_in_order": VERDICTS.index(record["verdict"]),
    }


def _drawing(record: dict[str, Any]) -> dict[str, float] | None:
    """Return where things stand on a small axis: the criterion's region, interval and paper.

    The axis is logarithmic where all is positive and spans more than a factor of 30.
    """
    names = ("value", "low", "high", "lower", "upper", "paper_value")
    given = {name: record[name] for name in names if record[name] is not None}
    if "value" not in given:
        return None
    ends = min(given.values()), max(given.values())
    is_log = ends[0] > 0 and ends[1] / ends[0] > 30
    first, last = map(math.log, ends) if is_log else ends
    span = last - first

    def at(value: float) -> float:
        where = math.log(value) if is_log else value
        share = (where - first) / span if span > 0 else 0.5
        return round(MARGIN + share * (DRAWN_WIDTH - 2 * MARGIN), 1)

    drawn = {name: at(value) for name, value in given.items()}
    drawn.setdefault("lower", 0.0)
    drawn.setdefault("upper", DRAWN_WIDTH)
    drawn.setdefault("low", drawn["value"])
    drawn.setdefault("high", drawn["value"])
    return drawn

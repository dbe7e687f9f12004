"""The scorecard on a terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd

from iclbench.claims.numbers import interval, number
from iclbench.claims.scorecard import VERDICTS, as_records

WIDTH = 100
GLYPHS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "not run": "–"}
_ANSI = {"supported": "32", "refuted": "31", "inconclusive": "33", "not run": "2"}
_HEADINGS = ("claim", "verdict", "effect [interval]", "criterion", "paper", "seeds")
_GAP = "  "


def as_text(verdicts: pd.DataFrame, colour: bool) -> str:
    """Return the verdicts as a table of at most 100 columns, study by study.

    Under it stand the counts, and the claims that came out otherwise than expected with their
    reason.

    Args:
        verdicts: As ``iclbench.claims.scorecard.read_verdicts`` returns them.
        colour: Whether to colour the verdicts with ANSI codes.
    """
    records = as_records(verdicts)
    cells = [_cells(record) for record in records]
    widths = _widths([_HEADINGS, *cells])
    lines = [_line(_HEADINGS, widths).rstrip()]
    study = None
    for record, line in zip(records, cells, strict=True):
        if record["study"] != study:
            study = record["study"]
            lines += ["", _bold(_fit(_title(record), WIDTH), colour)]
        text = _line(line, widths)
        start = widths[0] + len(_GAP)
        end = start + widths[1]
        verdict = _painted(text[start:end], record["verdict"], colour)
        lines.append((text[:start] + verdict + text[end:]).rstrip())
    return "\n".join([*lines, "", *counts(verdicts), *_surprises(records, colour)]) + "\n"


def counts(verdicts: pd.DataFrame) -> list[str]:
    """Return how many claims, and how many controls, came out how.

    Examples:
        >>> table = pd.DataFrame({"control": [False, True], "verdict": ["supported", "refuted"]})
        >>> counts(table)
        ['1 claim: 1 supported', '1 control: 1 refuted, as it must be']
    """
    lines = []
    for noun, is_control in (("claim", False), ("control", True)):
        words = verdicts.loc[verdicts["control"] == is_control, "verdict"]
        if len(words) == 0:
            continue
        found = [f"{(words == word).sum()} {word}" for word in VERDICTS if (words == word).any()]
        plural = "" if len(words) == 1 else "s"
        line = f"{len(words)} {noun}{plural}: {', '.join(found)}"
        if is_control and (words == "refuted").all():
            line += ", as it must be" if len(words) == 1 else ", as they must be"
        lines.append(line)
    return lines


def _cells(record: dict[str, Any]) -> tuple[str, ...]:
    control = " *" if record["control"] else ""
    paper = record["paper_value"]
    return (
        record["id"].removeprefix(f"{record['study']}/") + control,
        f"{GLYPHS[record['verdict']]} {record['verdict']}",
        interval(record["value"], record["low"], record["high"]),
        record["criterion"],
        "" if paper is None else number(paper),
        str(record["seeds"] or "–"),
    )


def _widths(lines: list[tuple[str, ...]]) -> list[int]:
    """Return the width of each column; the widest give way until all fit."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return _GAP.join(
        _fit(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True)
    )


def _title(record: dict[str, Any]) -> str:
    paper = record["paper"]
    return f"{record['study']}: {paper}" if paper else record["study"]


def _surprises(records: list[dict[str, Any]], colour: bool) -> list[str]:
    lines = []
    for record in records:
        if record["as_expected"] is False:
            kind = "control, must be refuted; " if record["control"] else ""
            glyph = _painted(GLYPHS[record["verdict"]], record["verdict"], colour)
            text = f"{record['id']} {record['verdict']} ({kind}{record['provenance']})"
            lines.append(f"{glyph} {_bold(_fit(text, WIDTH - 2), colour)}")
            for said in filter(None, (record["statement"], record["reason"], record["note"])):
                lines += textwrap.wrap(said, WIDTH, initial_indent="    ", subsequent_indent="    ")
    return ["", "Otherwise than expected:", *lines] if lines else []


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _bold(text: str, colour: bool) -> str:
    return f"\033[1m{text}\033[0m" if colour else text


def _painted(text: str, verdict: str, colour: bool) -> str:
    return f"\033[{_ANSI[verdict]}m{text}\033[0m" if colour else text

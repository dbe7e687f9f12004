"""Pages of papers: what a study runs, its claims with their verdicts, and where it differs.

All is read from ``config/studies/NAME.yaml`` when the site is built. Verdicts come from
``docs/verdicts.csv``, which `python docs/write_verdicts.py` writes from a finished run.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tables import Cell, anchor, joined, link, paragraph, table

from iclbench.claims.claim import Claim
from iclbench.claims.numbers import interval
from iclbench.config.reading import read_yaml
from iclbench.registry import find

ROOT = Path(__file__).parent.parent.parent
STUDIES = ROOT / "config" / "studies"
VERDICTS = ROOT / "docs" / "verdicts.csv"
NO_VERDICT = "no run yet"
COLUMNS = ("effect", "low", "high")


@cache
def verdicts() -> dict[tuple[str, str], dict[str, str]]:
    """Return the rows of the reference run, by study and claim."""
    with VERDICTS.open(encoding="utf-8", newline="") as file:
        return {(row["study"], row["claim"]): row for row in csv.DictReader(file)}


class OfStudy(SphinxDirective):
    """A directive whose one argument is the name of a study."""

    required_arguments = 1

    @property
    def study(self) -> str:
        """Its name."""
        return self.arguments[0]

    @property
    def settings(self) -> dict[str, Any]:
        """What its file says."""
        path = STUDIES / f"{self.study}.yaml"
        self.env.note_dependency(str(path))
        self.env.note_dependency(str(VERDICTS))
        return read_yaml(path)

    def claims(self, key: str) -> Iterator[tuple[str, Claim, dict[str, str]]]:
        """Yield name, claim and verdict of the claims, or of the controls."""
        for name, content in self.settings.get(key, {}).items():
            row = verdicts().get((self.study, name), {"verdict": NO_VERDICT})
            yield name, Claim.model_validate(content), row


class ClaimsTable(OfStudy):
    """``{claims} STUDY``: every claim and control, with its verdict."""

    HEAD: ClassVar = ("claim", "what it says", "provenance", "criterion", "verdict", "effect")

    def run(self) -> list[nodes.Node]:
        """Return where the verdicts are from, and the table."""
        rows = [self._row(*each) for each in self.claims("claims")]
        found: list[nodes.Node] = [paragraph(origin()), table(self.HEAD, rows, "claims")]
        controls = [self._row(*each) for each in self.claims("controls")]
        if controls:
            found += [
                paragraph("Controls, statements known to be false, must come out refuted:"),
                table(self.HEAD, controls, "claims"),
            ]
        return found

    def _row(self, name: str, claim: Claim, row: dict[str, str]) -> list[Cell]:
        own = f"; the paper has {claim.paper_value:g}" if claim.paper_value is not None else ""
        return [
            [nodes.strong(text=name), nodes.Text(" "), nodes.inline(text=claim.place)],
            claim.statement,
            claim.provenance,
            _unbroken(claim.region.words) + own,
            [_verdict(row["verdict"])],
            _effect(row),
        ]


class Differences(OfStudy):
    """``{differences} STUDY``: why claims are refuted or undecided, and what we reconstructed."""

    def run(self) -> list[nodes.Node]:
        """Return a list of notes, each with the claims that it is about."""
        noted: dict[str, list[tuple[str, str]]] = {}
        for name, claim, row in self.claims("claims"):
            differs = row["verdict"] in ("refuted", "inconclusive")
            if claim.note and (differs or claim.provenance == "reconstructed"):
                noted.setdefault(claim.note, []).append((name, row["verdict"]))
        if not noted:
            return [paragraph("No claim is refuted, undecided, or reconstructed with a remark.")]
        items = []
        for note, names in noted.items():
            term = nodes.term("", "", *joined([[nodes.strong(text=name)] for name, _ in names]))
            term += nodes.Text(": ")
            term += joined([[_verdict(word)] for word in dict(Counter(w for _, w in names))])
            items.append(
                nodes.definition_list_item("", term, nodes.definition("", paragraph(note)))
            )
        return [nodes.definition_list("", *items)]


class Runs(OfStudy):
    """``{runs} STUDY``: tasks, methods, measurements with their sizes, and figures."""

    def run(self) -> list[nodes.Node]:
        """Return paragraphs and a table."""
        study = self.settings
        found: list[nodes.Node] = []
        for room in ("tasks", "models", "solvers", "variants"):
            names = study.get(room)
            if names:
                what = "methods of this study alone" if room == "variants" else room
                found.append(
                    paragraph(
                        f"{what.capitalize()}: ",
                        [nodes.literal(text="all")]
                        if names == "all"
                        else joined([[nodes.literal(text=name)] for name in names]),
                        ".",
                    )
                )
        rows: list[list[Cell]] = []
        for name, settings in study.get("measurements", {}).items():
            kind = settings["kind"]
            about = find("measurements", kind).model_fields["kind"].description
            rows.append(
                [
                    [nodes.literal(text=name)],
                    [link(self, f"measurements {kind}", about)],
                    _sizes(settings),
                ]
            )
        if rows:
            found.append(table(("measurement", "what it measures", "sizes"), rows, "runs"))
        figures = [[nodes.literal(text=f"fig_{name}")] for name in study.get("figures", {})]
        if figures:
            found.append(paragraph("Targets of figures: ", joined(figures), "."))
        return found


class Summary(SphinxDirective):
    """``{verdicts}``: how many claims of each study came out how."""

    def run(self) -> list[nodes.Node]:
        """Return where the verdicts are from, and the table."""
        self.env.note_dependency(str(VERDICTS))
        counts: dict[str, Counter[str]] = {}
        for (study, _), row in verdicts().items():
            key = f"control {row['verdict']}" if row["control"] == "true" else row["verdict"]
            counts.setdefault(study, Counter())[key] += 1
        columns = ("supported", "refuted", "inconclusive", "not run")
        rows = [
            [
                [link(self, f"study {study}", [nodes.literal(text=study)])],
                *(str(count[word]) for word in columns),
                f"{count['control refuted']} of "
                f"{sum(n for key, n in count.items() if key.startswith('control'))}",
            ]
            for study, count in sorted(counts.items())
        ]
        return [
            paragraph(origin()),
            table(("study", *columns, "controls refuted"), rows, "counts"),
        ]


def origin() -> str:
    """Return a sentence on the run that verdicts are from."""
    (run,) = {(row["scale"], row["commit"]) for row in verdicts().values()}
    return f"Verdicts are those of one run at scale {run[0]}, at commit `{run[1]}`."


def _verdict(word: str) -> nodes.inline:
    return nodes.inline(text=word, classes=["verdict", word.replace(" ", "-")])


def _effect(row: dict[str, str]) -> list[nodes.Node]:
    """Return value, interval and seeds, a line each."""
    value, low, high = (float(row[key]) if row.get(key) else None for key in COLUMNS)
    if value is None:
        return [nodes.Text("–")]
    seeds = f"{row['seeds']} seed{'s' * (row['seeds'] != '1')}"
    value, *ends = interval(value, low, high).partition(" [")
    lines = [value, "".join(ends).strip(), seeds]
    return [nodes.inline(text=_unbroken(line), classes=["line"]) for line in lines if line]


def _unbroken(text: str) -> str:
    """Return a text in which no line ends between an e and its exponent."""
    return text.replace("e-", "e-\u2060")


def _sizes(settings: dict[str, Any]) -> str:
    """Return the numbers and names that a measurement is given in its file."""
    said = [
        f"{key} {value}"
        for key, value in settings.items()
        if key != "kind" and isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
    for key in ("dynamics", "regression", "kernel"):
        if key in settings:
            part = settings[key]
            more = [f"{name} {value}" for name, value in part.items() if isinstance(value, int)]
            said.append(" ".join([f"{key} {part['kind']}", *more]))
    for key, value in settings.items():
        if isinstance(value, list) and all(isinstance(each, int | float | str) for each in value):
            said.append(f"{key} {', '.join(map(str, value))}")
    return "; ".join(said) or ("defaults" if settings.keys() == {"kind"} else "")


class Paper(OfStudy):
    """``{paper} STUDY``: the paper, as the study's file cites it; links to the study lead here."""

    def run(self) -> list[nodes.Node]:
        """Return a paragraph that can be linked to."""
        return [anchor(self, f"study {self.study}"), paragraph(f"{self.settings['paper']}.")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("claims", ClaimsTable)
    app.add_directive("differences", Differences)
    app.add_directive("paper", Paper)
    app.add_directive("runs", Runs)
    app.add_directive("verdicts", Summary)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

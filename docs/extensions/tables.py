"""What the generated pages are made of: tables, links, and text with ``literals`` in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

Cell = str | Sequence[nodes.Node]


def words(text: str) -> list[nodes.Node]:
    """Return a plain text, of which only what stands between backquotes is marked up."""
    parts = re.split(r"(``.+?``|`.+?`)", text)
    return [
        nodes.literal(text=part.strip("`")) if part.startswith("`") else nodes.Text(part)
        for part in parts
        if part
    ]


def paragraph(*parts: Cell) -> nodes.paragraph:
    """Return a paragraph of texts and nodes."""
    found = nodes.paragraph()
    for part in parts:
        found += words(part) if isinstance(part, str) else list(part)
    return found


def joined(cells: Iterable[Cell], between: str = ", ") -> list[nodes.Node]:
    """Return cells in a row."""
    found: list[nodes.Node] = []
    for cell in cells:
        found += [nodes.Text(between)] if found else []
        found += words(cell) if isinstance(cell, str) else list(cell)
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], kind: str) -> nodes.table:
    """Return a table whose HTML has a class of its own, for its widths."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["colwidths-auto", kind])


def _row(cells: Sequence[Cell]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", paragraph(cell)) for cell in cells))


def anchor(directive: SphinxDirective, name: str) -> nodes.target:
    """Return a place that ``link`` finds by its name, anywhere on the site."""
    found = nodes.target("", "", ids=[nodes.make_id(name)])
    place = directive.env.docname, found["ids"][0]
    directive.env.domains.standard_domain.anonlabels[name] = place
    directive.env.domains.standard_domain.labels[name] = (*place, name)
    return found


def section(directive: SphinxDirective, name: str, title: Cell) -> nodes.section:
    """Return an empty section that ``link`` finds by its name."""
    found = nodes.section(ids=anchor(directive, name)["ids"], names=[name])
    content = words(title) if isinstance(title, str) else list(title)
    found += nodes.title("", "", *content)
    return found


def link(directive: SphinxDirective, name: str, text: Cell) -> addnodes.pending_xref:
    """Return a link to a section of that name; a missing one fails the build."""
    content = nodes.inline("", "", *(words(text) if isinstance(text, str) else text))
    return addnodes.pending_xref(
        "",
        content,
        refdomain="std",
        reftype="ref",
        reftarget=name,
        refexplicit=True,
        refwarn=True,
        refdoc=directive.env.docname,
    )


def python_link(directive: SphinxDirective, name: str) -> addnodes.pending_xref:
    """Return a link to a class or function in the Python reference."""
    return addnodes.pending_xref(
        "",
        nodes.literal(text=name),
        refdomain="py",
        reftype="obj",
        reftarget=name,
        refexplicit=True,
        refdoc=directive.env.docname,
    )

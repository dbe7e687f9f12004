"""The Python reference: every public module of a package, from its docstrings.

Docstrings are plain text with ``literals``, lists and sections of Google's style: |w| is a norm
and W^* a matrix there, not markup. So what reStructuredText would take for markup is escaped.
"""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

MODULE = """{title}

```{{eval-rst}}
.. automodule:: {module}
   :show-inheritance:
{members}
```
"""


class Package(SphinxDirective):
    """``{package} iclbench.ROOM``: its modules, a section each; or those named in the content."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        package = self.arguments[0]
        names = [line.strip() for line in self.content] or list(public_modules(package))
        text = "\n".join(
            MODULE.format(
                title=f"## `{name.removeprefix('iclbench.')}`",
                module=name,
                # A package says what its modules are for, and names again what they define.
                members="" if hasattr(import_module(name), "__path__") else "   :members:",
            )
            for name in names
        )
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def public_modules(package: str) -> list[str]:
    """Return a package and its modules, those of packages within it too."""
    path = import_module(package).__path__
    found = pkgutil.walk_packages(path, f"{package}.")
    return [package, *(each.name for each in found if "._" not in each.name)]


def plain(lines: list[str]) -> list[str]:
    """Return the lines of a docstring with the signs of mathematics escaped, code aside."""
    found: list[str] = []
    in_doctest, code = False, None  # code: the indentation of the line that announced it
    for line in lines:
        text, indent = line.strip(), len(line) - len(line.lstrip())
        in_doctest = text.startswith(">>>") or (in_doctest and text != "")
        if text and code is not None and indent <= code:
            code = None
        is_verbatim = in_doctest or code is not None
        found.append(line if is_verbatim else _escaped(line))
        if text.endswith("::") and not is_verbatim:
            code = indent
    return found


def _escaped(line: str) -> str:
    bullet = re.match(r"\s*[*-] ", line)
    start = bullet.end() if bullet else 0
    parts = re.split(r"(``.+?``|:\w+:`.+?`|`.+?`)", line[start:])
    parts[::2] = [re.sub(r"([|*]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
    return line[:start] + "".join(parts)


def _escape(*event: Any) -> None:
    """Escape the lines of a docstring, the last part of the event, where they are."""
    lines: list[str] = event[-1]
    lines[:] = plain(lines)


def _skip(*event: Any) -> bool | None:
    """Leave out fields of named tuples, which their class explains, and pydantic's own."""
    name, member = event[2:4]
    is_own = name != "model_config" and type(member).__name__ != "_tuplegetter"
    return None if is_own else True


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive, skip fields, and escape docstrings before Google's sections are read."""
    app.add_directive("package", Package)
    app.connect("autodoc-process-docstring", _escape, priority=100)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

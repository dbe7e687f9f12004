"""Digests of settings and of code: what a result is determined by.

The digest of a stage's code covers the modules of this package that it imports, directly or
through others, without comments, docstrings and layout. So a touch or a comment reruns nothing, and
a change of meaning reruns just what it reaches.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from iclbench.files import written_aside

OURS = __name__.partition(".")[0]

INDEX = "iclbench.registry"
"""Left out of digests: it only says where kinds are, and those in use are digested themselves."""


def canonical(value: Any) -> str:
    """Return the one JSON text of a value made of mappings, lists, strings and numbers."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def digest(text: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_settings(value: Any) -> str:
    """Return the digest of settings, whatever the order of their keys."""
    return digest(canonical(value))


def digest_file(path: Path) -> str | None:
    """Return the SHA-256 of a file's content, None where there is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def remembering(path: Path) -> Iterator[None]:
    """Take from a file what is known of sources that have not changed, and leave it there after.

    To parse all sources takes most of a second. The file holds, for the text of a module, what this
    module makes of it under this Python; where it is missing or damaged, all is found out anew.
    """
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        _REMEMBERED.update(found if isinstance(found, dict) else {})
    yield
    if not _KNOWN.keys() <= _REMEMBERED.keys():
        with suppress(OSError), written_aside(path) as aside:
            aside.write_text(json.dumps(_KNOWN, sort_keys=True), encoding="utf-8")


def digest_code(modules: Iterable[str]) -> str:
    """Return the digest of these modules and of what they import from their package and ours."""
    found: set[str] = set()
    waiting = sorted(set(modules))
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        waiting.extend(_imports(module) - found)
    return digest("\n".join(f"{module} {_facts(module)[0]}" for module in sorted(found)))


@cache
def _source(module: str) -> Path | None:
    """Return a module's file, found without importing the module."""
    package, *parts = module.split(".")
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *parts)
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file
    return Path(spec.origin) if spec and spec.origin and not parts else None


_KNOWN: dict[str, tuple[str, list[str]]] = {}
"""What ``_facts`` has returned, by a digest of what it depends on."""

_REMEMBERED: dict[str, tuple[str, list[str]]] = {}
"""What it returned in earlier runs."""


@cache
def _facts(module: str) -> tuple[str, list[str]]:
    """Return the digest of a module's meaning, and the names that it imports.

    The meaning is the syntax tree without docstrings and without what only type checkers read.
    """
    source = _source(module)
    if source is None:
        raise ModuleNotFoundError(f"{module} has no source to digest; is it installed?")
    text = source.read_text(encoding="utf-8")
    key = digest(f"{sys.version} {_own_text()} {source.name} {module} {text}")
    if key in _REMEMBERED:
        _KNOWN[key] = _REMEMBERED[key]
    if key not in _KNOWN:
        tree = ast.fix_missing_locations(_Meaning().visit(ast.parse(text)))
        _KNOWN[key] = digest(ast.unparse(tree)), sorted(_names(module, tree))
    return _KNOWN[key]


@cache
def _own_text() -> str:
    return Path(__file__).read_text(encoding="utf-8")


def _names(module: str, tree: ast.Module) -> Iterator[str]:
    """Yield what a module's tree imports: modules, and what may be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def _imports(module: str) -> frozenset[str]:
    """Return the modules of its own package and of ours that a module imports; and its parents."""
    packages = {module.partition(".")[0], OURS}
    names = {name for name in _facts(module)[1] if name.partition(".")[0] in packages}
    parents = {module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1)}
    return frozenset(({name for name in names if _source(name)} | parents) - {INDEX})


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    source = _source(module)
    is_package = source is not None and source.name == "__init__.py"
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])


class _Meaning(ast.NodeTransformer):
    """Drops docstrings, descriptions of fields, and the bodies of ``if TYPE_CHECKING:``."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "Field":
            node.keywords = [word for word in node.keywords if word.arg != "description"]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return node

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse or None
        return node

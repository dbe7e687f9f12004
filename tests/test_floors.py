"""Imports point down the floors of the house, never up."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "iclbench"
FLOORS = [
    {
        "settings",
        "lazy",
        "streams",
        "capabilities",
        "files",
        "registry",
        "digests",
        "usage",
        "libraries",
    },
    {"kernels"},
    {"tasks", "attention", "records", "method", "measurement", "implicit"},
    {"models", "solvers", "measures"},
    {"training"},
    {"studies", "claims", "plotting", "config", "explorer", "overview"},
    {"plan", "planning", "outlook", "stages", "commands"},
    {"warm", "__main__"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    return module.split(".")[1]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if here == "__init__":
        return
    for name in imported(path):
        if name.startswith("iclbench."):
            assert FLOOR_OF[room(name)] <= FLOOR_OF[here], f"{here} imports {name}"


def test_every_room_has_a_floor():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert rooms - {"__init__"} <= FLOOR_OF.keys()


def test_the_library_does_not_know_snakemake():
    for path in MODULES:
        assert not any(name.startswith("snakemake") for name in imported(path)), path

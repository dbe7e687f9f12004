"""A digest changes with the meaning of the code that it covers, and with nothing else."""

import itertools
import subprocess
import sys

import pytest

from iclbench import digests

NAMES = itertools.count()

SOURCES = {
    "__init__": "",
    "stage": "from .rooms import solver\n\n\ndef run():\n    return solver.solve(2)\n",
    "rooms.__init__": '"""A room."""\n',
    "rooms.solver": '"""Solves."""\n\n\ndef solve(x):\n    """Double it."""\n    return 2 * x\n',
    "rooms.other": "def other():\n    return 1\n",
}


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    """Return a function from changed sources to the digest of the package's stage."""

    def digest(**changes):
        package = f"digested{next(NAMES)}"
        monkeypatch.syspath_prepend(tmp_path)
        for module, text in (SOURCES | changes).items():
            path = tmp_path / package / (module.replace(".", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{package}", package))
        # A module is digested once a process, so each package here has a name of its own.
        modules, waiting = set(), [f"{package}.stage"]
        while waiting:
            module = waiting.pop()
            modules.add(module)
            waiting += digests._imports(module) - modules
        return {module.removeprefix(package): digests._facts(module)[0] for module in modules}

    return digest


def test_what_is_imported_counts_and_nothing_else(digest_of):
    assert digest_of().keys() == {"", ".stage", ".rooms", ".rooms.solver"}
    assert digest_of() == digest_of(**{"rooms.other": "def other():\n    return 2\n"})


@pytest.mark.parametrize(
    "text",
    [
        "def solve(x):\n    return 2 * x\n",
        '"""Another."""\n\n\ndef solve(x):  # why\n    """Or this."""\n\n    return (2 * x)\n',
    ],
    ids=["no docstrings", "comments and layout"],
)
def test_words_and_layout_do_not_count(digest_of, text):
    changed = digest_of(**{"rooms.solver": text})
    assert changed[".rooms.solver"] == digest_of()[".rooms.solver"]


def test_descriptions_of_fields_do_not_count_and_their_bounds_do(digest_of):
    def digest_with(field):
        return digest_of(**{"rooms.solver": f"class Solver:\n    step: float = {field}\n"})

    before = digest_with('Field(gt=0, description="eta")')
    assert digest_with('Field(gt=0, description="the step size")') == before
    assert digest_with('Field(gt=1, description="eta")') != before


def test_a_change_of_meaning_counts(digest_of):
    changed = digest_of(**{"rooms.solver": "def solve(x):\n    return 3 * x\n"})
    assert changed[".rooms.solver"] != digest_of()[".rooms.solver"]


def test_imports_inside_functions_count_and_those_for_type_checkers_do_not(digest_of):
    stage = "def run():\n    from {package}.rooms.other import other\n    return other()\n"
    assert ".rooms.other" in digest_of(stage=stage)
    stage = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {package}.rooms.other\n"
    )
    assert ".rooms.other" not in digest_of(stage=stage)


def test_a_missing_module_is_named():
    with pytest.raises(ModuleNotFoundError, match=r"iclbench\.no_such_module has no source"):
        digests.digest_code(["iclbench.no_such_module"])


def test_what_is_remembered_of_sources_is_what_is_found_in_them(tmp_path):
    script = """
import sys
from pathlib import Path
from iclbench import digests
with digests.remembering(Path(sys.argv[1])):
    found = digests.digest_code(["iclbench.stages.train", "iclbench.stages.draw"])
print(found, end="")
"""

    def found(memory, parse=""):
        command = [sys.executable, "-c", parse + script, str(memory)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    memory, damaged = tmp_path / "sources.json", tmp_path / "damaged.json"
    anew = found(memory)
    nothing = "import ast; ast.parse = None\n"  # what is remembered is not parsed again
    assert found(memory, nothing) == anew
    damaged.write_text(memory.read_text()[:-9])
    assert found(damaged) == anew
    assert damaged.read_text() == memory.read_text()


def test_the_index_of_kinds_is_left_out():
    assert digests.INDEX not in digests._imports("iclbench.stages.job")


def test_digesting_imports_nothing_heavy():
    code = (
        "import sys; from iclbench.digests import digest_code;"
        "digest_code(['iclbench.stages.predict', 'iclbench.stages.train']);"
        "sys.exit('torch._C' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_settings_are_digested_whatever_the_order_of_their_keys():
    assert digests.digest_settings({"a": 1, "b": [2]}) == digests.digest_settings(
        {"b": [2], "a": 1}
    )
    assert digests.digest_settings({"a": 1}) != digests.digest_settings({"a": 2})

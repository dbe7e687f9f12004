"""What the workflow knows of a run before it starts, kept from one start to the next."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from iclbench.digests import OURS, canonical, digest, digest_file, remembering
from iclbench.files import written_aside
from iclbench.libraries import LIBRARIES, version_of
from iclbench.plan import Plan

READERS = {"pydantic", "pydantic-core"}
"""The libraries that check settings and write them into plans, beside those that compute."""


@dataclass(frozen=True)
class Outlook:
    """What the workflow knows of a run.

    Attributes:
        plan: Its jobs.
        megabytes: What to ask of a machine for the jobs whose memory depends on settings.
        strict: Whether the run fails where a verdict is not as expected.
        checkpoint_every: Time or steps between two checkpoints of a training.
    """

    plan: Plan
    megabytes: dict[str, int]
    strict: bool
    checkpoint_every: str


def look(run: Mapping[str, Any], root: Path, memory: Path) -> Outlook:
    """Return what the workflow knows of a run, from a file where nothing has changed since.

    Reading and checking settings and digesting sources takes over a second, which a start that
    finds them unchanged is spared. The file holds the digest of the content of everything that a
    plan depends on: settings, our sources, Python, the versions of libraries, and the files that
    measurements read. All is found out anew where one of these has changed, where the file is
    missing or damaged, and where a package adds kinds of its own, whose sources may be anywhere.

    Args:
        run: The content of config.yaml, command-line changes included.
        root: The folder of all other settings.
        memory: The folder for what is kept; where it cannot be written, nothing is.

    Raises:
        ConfigError: If anything is wrong with the settings; it lists every fault of every file.
    """
    file = memory / "outlook.json"
    key = _key(run, root)
    if key is not None and (kept := _kept(file, key)):
        return kept
    outlook, files = _anew(run, root, memory)
    # What has changed while it was read is kept under no name.
    if key is not None and key == _key(run, root) and files == _digests(files):
        content = vars(outlook) | {"plan": outlook.plan.as_json()}
        text = json.dumps({"key": key, "files": files, "outlook": content})
        with suppress(OSError), written_aside(file) as aside:
            aside.write_text(f"{digest(text)}\n{text}", encoding="utf-8")
    return outlook


def _kept(file: Path, key: str) -> Outlook | None:
    """Return what a file holds under a key, if files of measurements are what they were."""
    with suppress(OSError, ValueError):
        check, _, text = file.read_text(encoding="utf-8").partition("\n")
        found = json.loads(text) if check == digest(text) else {}
        if found.get("key") == key and found["files"] == _digests(found["files"]):
            content = found["outlook"]
            return Outlook(**content | {"plan": Plan.of_json(content["plan"])})
    return None


def _anew(
    run: Mapping[str, Any], root: Path, memory: Path
) -> tuple[Outlook, dict[str, str | None]]:
    """Return what there is to know of a run, and the digests of the files measurements read."""
    from iclbench.config.memory import needed
    from iclbench.config.reading import read_config
    from iclbench.planning import make_plan

    config = read_config(run, root)
    studies = config.studies.values()
    measurements = [each for study in studies for each in study.measurements.values()]
    files = _digests(str(path) for each in measurements for path in each.files.values())
    with remembering(memory / "sources.json"):
        plan = make_plan(config)
    outlook = Outlook(
        plan=plan,
        megabytes={job: each.megabytes for job, each in needed(config).items()},
        strict=config.run.strict,
        checkpoint_every=config.run.checkpoint_every,
    )
    return outlook, files


def _digests(files: Iterable[str]) -> dict[str, str | None]:
    return {path: digest_file(Path(path)) for path in files}


def _key(run: Mapping[str, Any], root: Path) -> str | None:
    """Return the digest of what a plan depends on, None where that cannot be told."""
    if any(group.startswith(f"{OURS}.") for group in entry_points().groups):
        return None
    libraries = sorted(READERS.union(*LIBRARIES.values()))
    paths = [*sorted(root.glob("*/*")), *_sources(Path(__file__).parent)]
    with suppress(OSError):
        return digest(
            canonical(
                {
                    "run": repr(run),
                    "python": sys.version,
                    "libraries": {library: version_of(library) for library in libraries},
                    "files": _digests(map(str, paths)),
                }
            )
        )
    return None


def _sources(package: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(package, followlinks=True):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        yield from (Path(folder, name) for name in sorted(files))

"""The plan of a run, kept from one start of the workflow to the next."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from iclbench.digests import OURS, digest, digest_file, remembering
from iclbench.files import written_aside
from iclbench.libraries import LIBRARIES, version_of
from iclbench.plan import Plan


@dataclass(frozen=True)
class Planned:
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


def planned(run: Mapping[str, Any], root: Path, memory: Path) -> Planned:
    """Return what the workflow knows of a run, from a file where nothing has changed since.

    To read settings, check them and digest sources takes a second and more, and a start of the
    workflow that finds all of this unchanged shall not take it. The file holds the digest of the
    content of everything that a plan depends on: settings, our sources, Python, the versions of
    libraries, and files that measurements read. Where a package adds kinds of its own, whose
    sources may be anywhere, and where the file is damaged, all is found out anew.

    Args:
        run: The content of config.yaml, command-line changes included.
        root: The folder of all other settings.
        memory: The folder for what is kept.

    Raises:
        ConfigError: If anything is wrong with the settings; it lists every fault of every file.
    """
    kept = memory / "plan.json"
    own_kinds = any(group.startswith(f"{OURS}.") for group in entry_points().groups)
    key = None if own_kinds else _digest(run, root)
    if key is not None:
        with suppress(OSError, ValueError):
            check, _, text = kept.read_text(encoding="utf-8").partition("\n")
            found = json.loads(text) if check == digest(text) else {}
            if found.get("key") == key and _unchanged(found["files"]):
                plan = Plan.of_json(found["plan"])
                return Planned(plan, found["megabytes"], found["strict"], found["checkpoint_every"])
    made, files = _make(run, root, memory)
    if key is not None:
        content = {
            "key": key,
            "files": files,
            "plan": made.plan.as_json(),
            "megabytes": made.megabytes,
            "strict": made.strict,
            "checkpoint_every": made.checkpoint_every,
        }
        text = json.dumps(content)
        with suppress(OSError), written_aside(kept) as aside:
            aside.write_text(f"{digest(text)}\n{text}", encoding="utf-8")
    return made


def _make(
    run: Mapping[str, Any], root: Path, memory: Path
) -> tuple[Planned, dict[str, str | None]]:
    """Return what there is to know of a run, and the digests of the files measurements read."""
    from iclbench.config.memory import needed
    from iclbench.config.reading import read_config
    from iclbench.planning import make_plan

    config = read_config(run, root)
    with remembering(memory / "sources.json"):
        plan = make_plan(config)
    measurements = (
        each for study in config.studies.values() for each in study.measurements.values()
    )
    files = {str(path) for measurement in measurements for path in measurement.files.values()}
    made = Planned(
        plan=plan,
        megabytes={job: each.megabytes for job, each in needed(config).items()},
        strict=config.run.strict,
        checkpoint_every=str(config.run.checkpoint_every),
    )
    return made, {path: digest_file(Path(path)) for path in sorted(files)}


def _unchanged(files: Mapping[str, str | None]) -> bool:
    return all(digest_file(Path(path)) == known for path, known in files.items())


def _digest(run: Mapping[str, Any], root: Path) -> str:
    """Return the digest of everything that a plan depends on, files of measurements aside."""
    found = hashlib.sha256()
    libraries = sorted(set().union(*LIBRARIES.values()))
    for part in (sys.version, repr(run), *(f"{each} {version_of(each)}" for each in libraries)):
        found.update(f"{part}\0".encode())
    for path in (*sorted(root.glob("*/*")), *_sources(Path(__file__).parent)):
        if path.is_file():
            content = path.read_bytes()
            found.update(f"{path}\0{len(content)}\0".encode())
            found.update(content)
    return found.hexdigest()


def _sources(package: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(package, followlinks=True):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        yield from (Path(folder, name) for name in sorted(files))

"""A job's plan, read back: its settings, and the digests that its rows carry."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclbench.digests import digest, digest_settings
from iclbench.files import DamagedFileError
from iclbench.registry import find
from iclbench.settings import Settings
from iclbench.tasks.family import Family


@dataclass(frozen=True)
class Job:
    """What determines a job's result, its inputs aside.

    Attributes:
        settings: The settings of the stage.
        code: The digest of the code that the job runs.
        config: The digest of the settings.
        fingerprint: The digest of all that determines the result: settings, code, versions.
    """

    settings: dict[str, Any]
    code: str
    config: str
    fingerprint: str


def read_job(path: Path) -> Job:
    """Return the plan of a job.

    Raises:
        DamagedFileError: If the file is not a plan.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # Plans of a run are named by what they hold.
        named = re.search(r"\.([0-9a-f]{16})$", path.stem)
        if named and named[1] != digest(text):
            raise ValueError("altered since it was written")
        content = json.loads(text)
        settings, code = content["settings"], content["code"]
        return Job(settings, code, digest_settings(settings), digest_settings(content))
    except (ValueError, KeyError) as error:
        message = f"{path}: not the plan of a job ({error}); delete it and run again"
        raise DamagedFileError(message) from error


def read_family(task: dict[str, Any]) -> Family:
    """Return the distribution over prompts of a task in a plan."""
    family = read_kind(task["room"], task["family"])
    assert isinstance(family, Family)
    return family


def read_kind(room: str, settings: dict[str, Any]) -> Settings:
    """Return a room's kind with the settings in a plan."""
    return find(room, settings["kind"]).model_validate(settings)

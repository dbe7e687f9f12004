"""JSON schemas of the settings files, for editors."""

from __future__ import annotations

import json
from pathlib import Path

from iclbench.config.files import (
    ModelFile,
    RunFile,
    ScaleFile,
    SolverFile,
    StudyFile,
    TaskFile,
)

FILES = {
    "run": RunFile,
    "scale": ScaleFile,
    "task": TaskFile,
    "model": ModelFile,
    "solver": SolverFile,
    "study": StudyFile,
}


def schemas() -> dict[str, str]:
    """Return the text of each schema by the name of its file."""
    return {
        f"{name}.json": json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
        for name, model in FILES.items()
    }


def write_schemas(folder: Path) -> None:
    """Write every schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")

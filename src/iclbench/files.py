"""Files appear whole or not at all, and a damaged one is named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


class JobError(Exception):
    """Why a job stops, in a sentence for its user: what is wrong, and what to do next."""


class DamagedFileError(JobError):
    """A file is not what its name promises: truncated, altered, or of another kind."""


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Hand out a path beside ``path``; on success it takes the name ``path``, on failure it goes.

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "table.txt"
        >>> with written_aside(target) as aside:
        ...     _ = aside.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def save_arrays(arrays: Mapping[str, np.ndarray], path: Path, about: Mapping[str, Any]) -> None:
    """Write named arrays to a safetensors file, with what is to be said about them."""
    from safetensors.numpy import save_file

    with written_aside(path) as aside:
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        save_file(contiguous, aside, metadata={"iclbench": json.dumps(about, sort_keys=True)})


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a safetensors file and what is said about them.

    Raises:
        DamagedFileError: If the file is no safetensors file of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})["iclbench"])
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        message = f"{path}: not a tensor file of this project ({error}); delete it and run again"
        raise DamagedFileError(message) from error

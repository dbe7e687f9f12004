"""Files appear whole or not at all, and a damaged one is named."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


class JobError(Exception):
    """Why a job stops, in a sentence for its user: what is wrong, and what to do next."""


class DamagedFileError(JobError):
    """A file is not what its name promises: truncated, altered, or of another kind."""


class UnwritableError(JobError, OSError):
    """A file cannot be written: no space is left, its folder is read-only, or the like."""


class UnreadableError(JobError):
    """A file is there and may not be read."""


REMEDIES = {
    errno.ENOSPC: "make space there",
    errno.EDQUOT: "make space there, or have the quota raised",
    errno.EROFS: "make it writable",
    errno.EACCES: "give yourself the right to it",
    errno.EPERM: "give yourself the right to it",
}
"""What to do about errors of the system."""


def unusable(path: Path, what: str, error: OSError) -> str:
    """Return the sentence on a file that the system refuses: why, and what to do next.

    Examples:
        >>> unusable(Path("a"), "cannot be written", OSError(errno.ENOSPC, "full"))
        'a: cannot be written (No space left on device); make space there and run again'
    """
    reason = os.strerror(error.errno) if error.errno else str(error)
    remedy = REMEDIES.get(error.errno or 0, "mend that")
    return f"{path}: {what} ({reason}); {remedy} and run again"


def check_readable(path: Path) -> None:
    """Check that the system lets this process read a file.

    Raises:
        UnreadableError: If it does not; a file that is missing is another matter.
    """
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(unusable(path, "cannot be read", error)) from error


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Hand out a path beside ``path``; on success it takes the name ``path``, on failure it goes.

    Raises:
        UnwritableError: If the system refuses to write it.

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "table.txt"
        >>> with written_aside(target) as aside:
        ...     _ = aside.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise UnwritableError(unusable(path, "cannot be written", error)) from error


def save_arrays(arrays: Mapping[str, np.ndarray], path: Path, about: Any) -> None:
    """Write named arrays to a safetensors file, and plain data that says what they are.

    The same arrays and data give the same bytes.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps({"about": about, "sha256": _digest(arrays, about)})
    with written_aside(path) as aside:
        try:
            save_file(arrays, aside, metadata={"iclbench": text})
        except SafetensorError as error:
            found = re.search(r"\(os error (\d+)\)", str(error))
            raise OSError(int(found[1]) if found else 0, str(error)) from error


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    """Return the arrays of a file that ``save_arrays`` wrote, and the data that came with them.

    Raises:
        UnreadableError: If it may not be read.
        DamagedFileError: If the file is not as it was written.
    """
    from safetensors import SafetensorError, safe_open

    check_readable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            record = json.loads(file.metadata()["iclbench"])
            names = file.keys()
            arrays = {name: file.get_tensor(name) for name in names}
        about, digest = record["about"], record["sha256"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        message = f"{path}: not a tensor file of this project ({error}); delete it and run again"
        raise DamagedFileError(message) from error
    if digest != _digest(arrays, about):
        raise DamagedFileError(f"{path}: altered since it was written; delete it and run again")
    return arrays, about


def _digest(arrays: Mapping[str, np.ndarray], about: Any) -> str:
    digest = hashlib.sha256(json.dumps(about).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {list(array.shape)}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()

"""Files of tensors with JSON beside them: whole or not there, and never unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from iclbench.lazy import torch


class DamagedFileError(Exception):
    """A file of tensors is cut short, altered, or something else altogether."""


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], content: Any) -> None:
    """Write tensors and JSON as one safetensors file, which appears whole or not at all.

    The same tensors and content give the same bytes.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"content": content, "sha256": _digest(tensors, content)})
    data = save(tensors, metadata={"json": text})
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """Return the tensors and the JSON content of a file that ``write_tensors`` wrote.

    Raises:
        DamagedFileError: If the file is not as it was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()["json"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        content, digest = record["content"], record["sha256"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{path}: cannot be read ({error}); remove it") from error
    if digest != _digest(tensors, content):
        raise DamagedFileError(f"{path}: its content has changed since it was written; remove it")
    return tensors, content


def _digest(tensors: dict[str, torch.Tensor], content: Any) -> str:
    digest = hashlib.sha256(json.dumps(content).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()

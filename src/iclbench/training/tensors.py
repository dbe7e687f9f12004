"""Files of tensors with JSON beside them: whole or not there, and never unpickled."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from iclbench.files import DamagedFileError, written_aside
from iclbench.lazy import torch


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], content: Any) -> None:
    """Write tensors and JSON as one safetensors file; the same ones give the same bytes."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"content": content, "sha256": _digest(tensors, content)})
    with written_aside(path) as aside:
        save_file(tensors, aside, metadata={"json": text})


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
        message = f"{path}: not a tensor file of this project ({error}); delete it and run again"
        raise DamagedFileError(message) from error
    if digest != _digest(tensors, content):
        raise DamagedFileError(f"{path}: altered since it was written; delete it and run again")
    return tensors, content


def _digest(tensors: dict[str, torch.Tensor], content: Any) -> str:
    digest = hashlib.sha256(json.dumps(content).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

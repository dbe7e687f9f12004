"""Torch, loaded when it is first used.

Settings are validated before any job starts, and settings live beside the mathematics that they
parametrise. Importing torch costs a second or more; reading a YAML file must not pay it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
else:
    import lazy_loader

    torch = lazy_loader.load("torch")

__all__ = ["torch"]

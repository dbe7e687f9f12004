"""Torch and pandas, loaded when they are first used.

Settings are validated before any job starts, and settings live beside the mathematics that they
parametrise. Importing torch costs a second or more, pandas a third of one; reading a YAML file must
not pay that.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import torch
else:

    class _Lazy(ModuleType):
        """A module that loads on the first look at it.

        ``importlib.util.LazyLoader`` leaves its stand-in in ``sys.modules``, where matplotlib looks
        for torch and would load it.
        """

        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module(self.__name__), name)
            setattr(self, name, value)
            return value

    torch, pd = _Lazy("torch"), _Lazy("pandas")

__all__ = ["pd", "torch"]

"""Random streams, each derived from the names of what it serves.

A stream is addressed, never consumed in passing: two streams with different names are independent,
and drawing from one changes no other. So adding a task, a seed or a method changes no other number,
and step k of a training run can be drawn without drawing the steps before it.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive(*names: str | int) -> int:
    """Return the 128-bit key of the stream with these names.

    Examples:
        >>> derive("haar", "evaluation") == derive("haar", "evaluation")
        True
        >>> derive("ab", "c") == derive("a", "bc")
        False
    """
    text = "\0".join(f"{type(name).__name__}:{name}" for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def stream(*names: str | int, step: int = 0) -> np.random.Generator:
    """Return the generator of the stream with these names, at a step of it.

    Args:
        names: What the stream serves, from the general to the special, for example
            ``("haar", "gpt2", seed, "training")``.
        step: Which of the stream's 2**64 segments to draw from; each holds 2**192 numbers.
    """
    return np.random.Generator(np.random.Philox(key=derive(*names), counter=step << 192))


def torch_seed(*names: str | int) -> int:
    """Return a 63-bit seed for a ``torch.Generator``, derived from these names."""
    return derive(*names) >> 65

"""What a task can say of itself, and a method can ask of a task.

A method states what it needs; a task states what holds. A pair where something needed does not hold
is left out before any job starts, and the reason is shown in the leaderboard.
"""

from __future__ import annotations

from typing import Literal

Fact = Literal[
    "autoregressive", "complex coordinates", "noise-free", "scalar outputs", "unit-norm inputs"
]

LACKING: dict[Fact, str] = {
    "autoregressive": "the task is not a sequence s, f(s), f(f(s)), …",
    "complex coordinates": "the task's states are not complex numbers in real pairs",
    "scalar outputs": "the task's outputs are vectors",
    "unit-norm inputs": "the task's inputs are not on the unit sphere",
    "noise-free": "the task's outputs carry noise",
}


def why_not(needs: frozenset[Fact], facts: frozenset[Fact]) -> str:
    """Return why a method with these needs cannot work where these facts hold; empty if it can."""
    return "; ".join(f"needs {fact}, but {LACKING[fact]}" for fact in sorted(needs - facts))

"""The looks and names of estimators, the same in every figure of the study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iclbench.plotting.style import COLOURS


@dataclass(frozen=True)
class Look:
    """How an estimator is drawn, and its names in keys and in panels."""

    name: str
    short: str
    style: dict[str, Any]


def _look(name: str, short: str, colour: str, linestyle: Any, marker: str) -> Look:
    style = {"color": colour, "linestyle": linestyle, "marker": marker}
    return Look(name, short, {**style, "linewidth": 1.0, "markersize": 2.6, "markeredgewidth": 0.5})


LOOKS = {
    "vanilla": _look("vanilla", "vanilla", COLOURS[0], "-", "o"),
    "preconditioned_diagonal": _look("diagonal precond.", "diag. precond.", COLOURS[1], "-", "s"),
    "preconditioned_newton": _look("Newton precond.", "Newton", COLOURS[2], "-", "^"),
    "reparameterised_diagonal": _look(
        "diagonal reparam.", "diag. repar.", "#3F9FCF", (0, (4, 1.5)), "D"
    ),
    "reparameterised_exponential": _look(
        "exponential reparam.", "exp. repar.", COLOURS[5], (0, (4, 1.5)), "v"
    ),
    "reparameterised_ideal": _look(
        "ideal reparam.", "ideal repar.", COLOURS[4], (0, (4, 1.5)), "P"
    ),
    "unrolled": _look("unrolled", "unrolled", COLOURS[6], (0, (1.5, 1)), "X"),
}
"""By the method's name, in the order of keys: reparameterisations are dashed."""

GREY: dict[str, Any] = {"color": "0.55", "linewidth": 0.8}
"""Lines that are no estimator's: guides, distances."""

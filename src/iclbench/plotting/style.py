"""The house style: the look of each method, the same in every figure, and of everything else."""

from __future__ import annotations

from typing import Any

import pandas as pd

STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titley": 1.0,  # else it is looked for, past all ticks, at every drawing
    "axes.unicode_minus": True,
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "grid.alpha": 0.5,
    "grid.color": "0.85",
    "grid.linewidth": 0.4,
    "hatch.linewidth": 0.4,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,  # by which Matplotlib 3.11 counts the characters of a PDF's fonts
    "savefig.dpi": 200,
    "xtick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.labelsize": 6.5,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
}

FAMILIES = {
    "trained": "Trained",
    "constructed": "Constructed",
    "solver": "Solvers",
    "reference": "References",
}
"""The families in the order in which they are drawn, and their titles."""

# Paul Tol's "muted" scheme without its palest colour, ordered so that neighbours differ most.
COLOURS = (
    "#332288",
    "#CC6677",
    "#117733",
    "#88CCEE",
    "#882255",
    "#999933",
    "#AA4499",
    "#44AA99",
)

VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "trained": tuple(
        {"linestyle": "-", "marker": marker, "markersize": 3, "linewidth": 1.2}
        for marker in ("o", "s", "^", "D", "v", "P", "X")
    ),
    "constructed": tuple(
        {"linestyle": (0, dashes), "marker": "", "linewidth": 1.2}
        for dashes in ((5, 1.5), (2.5, 1.2), (7, 1.5, 2, 1.5))
    ),
    "solver": tuple(
        {"linestyle": linestyle, "marker": "", "linewidth": 0.8}
        for linestyle in ("-", (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (3, 2)), (0, (1, 2.5)))
    ),
}

REFERENCES: dict[str, dict[str, Any]] = {
    "bayes": {"linestyle": (0, (4, 1.5)), "marker": "", "linewidth": 1.0, "color": "black"},
    "oracle": {"linestyle": "-", "marker": "", "linewidth": 1.0, "color": "0.5"},
}


def looks(rows: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Return colour, line and marker, as keywords of ``Axes.plot``, by family and method.

    The methods of a family take colours and lines in turn, by the alphabet. The rows of a study
    name all its methods on each of its tasks, those left out among them, so a method looks the same
    in all figures of a study. Families differ in line: trained models are solid with markers,
    constructed ones dashed, solvers thin, references black or grey.
    """
    members: dict[str, list[str]] = {}
    pairs = rows[["family", "method"]].drop_duplicates().itertuples(index=False, name=None)
    for family, method in sorted(pairs):
        members.setdefault(family, []).append(method)
    given = {("reference", name): REFERENCES[name] for name in members.pop("reference", [])}
    for family, names in members.items():
        variants = VARIANTS[family]
        for index, name in enumerate(names):
            turn, colour = divmod(index, len(COLOURS))
            variant = variants[(turn + colour) % len(variants)]
            given[family, name] = variant | {"color": COLOURS[colour]}
    return given

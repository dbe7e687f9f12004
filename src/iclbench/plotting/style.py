"""The house style: the look of each method, the same in every figure, and of everything else."""

from __future__ import annotations

from typing import Any

from iclbench.streams import derive

STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
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
    "reference": tuple(
        {"linestyle": linestyle, "marker": "", "linewidth": 1.0}
        for linestyle in ((0, (4, 1.5)), "-", (0, (1, 1)))
    ),
}

# The methods that are shipped, spread over colours and variants by their place in this list, so a
# new name goes to its end. All others are placed by their name alone.
SHIPPED: dict[str, tuple[str, ...]] = {
    "trained": (
        "augmented",
        "augmented_deep",
        "gpt2",
        "paired_linear",
        "paired_softmax",
        "plain",
    ),
    "constructed": (
        "ckd_exponential",
        "ckd_linear",
        "ckd_softmax",
        "delta_layer",
        "functional_gd_exponential",
        "functional_gd_linear",
        "functional_gd_relu",
        "functional_gd_softmax",
        "gated_layer",
        "mesa_layer",
        "newton_layers",
        "one_gd_step",
    ),
    "solver": (
        "averaging",
        "bilevel_kernel_ridge",
        "bilevel_ridge",
        "conjugate_gradient",
        "descent_exponential",
        "descent_linear",
        "descent_softmax",
        "descent_softmax_limit",
        "gd",
        "gd_one_step_normalised",
        "gd_online",
        "gd_stable",
        "gp_mean_exponential",
        "gp_mean_linear",
        "gp_mean_relu",
        "kaczmarz",
        "kaczmarz_cyclic",
        "kaczmarz_exponential",
        "kaczmarz_randomised",
        "kernel_ridge_exponential",
        "kernel_ridge_relu",
        "nearest_neighbours",
        "newton",
        "ols",
        "ridge",
        "ridge_strong",
        "zero",
    ),
    "reference": ("bayes", "oracle"),
}


def look(method: str, family: str) -> dict[str, Any]:
    """Return colour, line and marker of a method, as keywords of ``Axes.plot``.

    They depend on its name and family alone, not on what else is drawn. Families differ in line:
    trained models are solid with markers, constructed ones dashed, solvers thin, references grey or
    black.
    """
    shipped, variants = SHIPPED[family], VARIANTS[family]
    if method in shipped:
        variant, colour = divmod(shipped.index(method), len(COLOURS))
    else:
        variant, colour = divmod(derive("look", method), len(COLOURS))
    if family == "reference":
        return variants[colour % len(variants)] | {"color": "black" if colour == 0 else "0.5"}
    return variants[variant % len(variants)] | {"color": COLOURS[colour]}

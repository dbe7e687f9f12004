"""What the figures share: the names and looks of what is compared."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from iclbench.plotting.style import COLOURS
from iclbench.plotting.summaries import of_metric

DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
LIMIT = {"color": "black", "linestyle": (0, (4, 1.5)), "linewidth": 1.2}

_METHOD = re.compile(
    r"^(?P<attention>[a-z]+)_beta_(?P<beta>inverse_sqrt|[^_]+)"
    r"(_step_(?P<step>[^_]+)|_bound_(?P<bound>[^_]+)|_(?P<limit>limit)"
    r"|_tau_(?P<tau>\d+)_dim_(?P<dim>\d+))?$"
)


def described(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of a metric with what their method's name says, a column each.

    ``attention`` is the part up to beta, ``step`` a number and NaN for the limit, ``bound``,
    ``tau`` and ``dim`` numbers. Rows of methods with other names (trained models) are left out.
    """
    found = of_metric(rows, metric)
    parts = found["method"].str.extract(_METHOD)
    numbers = ("step", "bound", "tau", "dim")
    found = found.assign(
        attention=parts["attention"] + "_beta_" + parts["beta"],
        **{name: pd.to_numeric(parts[name]).astype(float) for name in numbers},
    )
    return found[found["attention"].notna()]


def title_of(attention: str) -> str:
    """Return an attention's name in words.

    Examples:
        >>> title_of("exponential_beta_4")
        'exponential, β = 4'
        >>> title_of("linear_beta_1")
        'linear'
        >>> title_of("softmax_beta_inverse_sqrt")
        'softmax, β = 1/√d'
    """
    kind, _, beta = attention.partition("_beta_")
    beta = "1/√d" if beta == "inverse_sqrt" else beta
    return kind if kind == "linear" and beta == "1" else f"{kind}, β = {beta}"


def colour_of(attention: str, attentions: Sequence[str]) -> str:
    """Return an attention's colour, the same in all panels of a figure."""
    return COLOURS[sorted(set(attentions)).index(attention) % len(COLOURS)]

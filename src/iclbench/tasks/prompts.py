"""A batch of prompts: rows of pairs (x_1, y_1) … (x_T, y_T), and what is known of their truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Prompts:
    """A batch of in-context regression problems.

    At position t a predictor has seen the pairs before t and the input x_t, and predicts y_t. An
    autoregressive sequence s_1, s_2 = f(s_1), … is the case x_t = s_t, y_t = s_{t+1}.

    Attributes:
        inputs: x, one row a position.
        outputs: y, what is to be predicted, noise included.
        clean: E[y_t | x_t, f], what a predictor that knew the prompt's f would say.
        truth: What else the task knows of each prompt, by name, batch first (``W``, ``w``, …).
    """

    inputs: Float[np.ndarray, "batch time p"]
    outputs: Float[np.ndarray, "batch time q"]
    clean: Float[np.ndarray, "batch time q"]
    truth: dict[str, np.ndarray] = field(default_factory=dict)

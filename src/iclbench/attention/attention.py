"""What every kind of causal attention has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float

from iclbench.lazy import torch
from iclbench.settings import Settings


class Attention(Settings, ABC):
    """A causal map from queries, keys and values to outputs; heads are a leading dimension."""

    kind: str
    """The name of this kind in its room's registry."""

    gates: ClassVar[int] = 0
    """How many numbers in (0, 1) a token and head hand in besides query, key and value."""

    @abstractmethod
    def attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None = None,
        *,
        diagonal: bool = True,
    ) -> Float[torch.Tensor, "*batch time value"]:
        """Return the output at every position t, from the keys and values at s <= t.

        Args:
            query: q_t.
            key: k_s.
            value: v_s.
            gates: The gates of a recurrent form, in the order its class states.
            diagonal: Whether position t sees its own key and value; without it only s < t count,
                and a position that sees nothing gives zero.
        """

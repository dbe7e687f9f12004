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
            gates: The gates of a recurrent form, in the order its class states; None is its form
                without gates.
            diagonal: Whether position t sees its own key and value; without it only s < t count,
                and a position that sees nothing gives zero.

        Raises:
            ValueError: If the number of gates is not that of this kind.
        """
        if gates is not None and gates.shape[-1] != self.gates:
            raise ValueError(
                f"{self.kind} attention takes {self.gates} gates a token and head, "
                f"but {gates.shape[-1]} were handed in; project tokens to that many, or to none"
            )
        if diagonal:
            return self._attend(query, key, value, gates)
        # What position t knows without its own pair is what position t - 1 knows with its own.
        last = query.shape[-2] - 1
        if last == 0:
            return torch.zeros_like(value)
        earlier = self._attend(
            query[..., 1:, :],
            key[..., :last, :],
            value[..., :last, :],
            None if gates is None else gates[..., :last, :],
        )
        return torch.nn.functional.pad(earlier, (0, 0, 1, 0))

    @abstractmethod
    def _attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None,
    ) -> Float[torch.Tensor, "*batch time value"]:
        """Return the output at every t from s <= t, the diagonal included."""

"""Linear attention."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from pydantic import Field
from typing_extensions import override

from iclbench.attention.weighted import Weighted, shown
from iclbench.lazy import torch

CHUNK = 32


class Linear(Weighted):
    """a_ts = scale <q_t, k_s>, so o_t = scale S_t q_t with the state S_t = sum_{s <= t} v_s k_s^T.

    ``attend`` weighs all pairs where prompts are short. Longer ones go by chunks of positions,
    weights within a chunk and the state before it, in time and memory linear in the length.
    """

    kind: Literal["linear"] = Field(description="weights z")

    @override
    def weights(
        self,
        query: Float[torch.Tensor, "*#batch queries key"],
        key: Float[torch.Tensor, "*#batch keys key"],
        mask: Bool[torch.Tensor, "*#batch #queries keys"] | int | None,
    ) -> Float[torch.Tensor, "*_ queries keys"]:
        return shown(self.scores(query, key), mask, 0.0)

    @override
    def _attend(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
        gates: Float[torch.Tensor, "*batch time gates"] | None,
    ) -> Float[torch.Tensor, "*batch time value"]:
        # Where both forms take the same time, as measured on a CPU, forward and backward.
        short = CHUNK + 2 * query.shape[-1]
        if query.shape[-2] <= short:
            return super()._attend(query, key, value, gates)
        return self.attend_by_chunks(query, key, value)

    def attend_by_chunks(
        self,
        query: Float[torch.Tensor, "*batch time key"],
        key: Float[torch.Tensor, "*batch time key"],
        value: Float[torch.Tensor, "*batch time value"],
    ) -> Float[torch.Tensor, "*batch time value"]:
        """Return o_t = scale S_t q_t in time and memory linear in the length."""
        time = query.shape[-2]
        query, key, value = (
            torch.nn.functional.pad(part, (0, 0, 0, -time % CHUNK)).unflatten(-2, (-1, CHUNK))
            for part in (query, key, value)
        )
        states = (key.mT @ value)[..., :-1, :, :].cumsum(-3)
        before = torch.nn.functional.pad(states, (0, 0, 0, 0, 1, 0))
        past = (self.factor(query.shape[-1]) * query) @ before
        within = super()._attend(query, key, value, None)
        return (within + past).flatten(-3, -2)[..., :time, :]

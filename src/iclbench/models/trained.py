"""What every trained transformer has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from iclbench.attention.attention import Attention
from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.registry import any_of
from iclbench.settings import Settings

if TYPE_CHECKING:
    AnyAttention = Attention
else:
    AnyAttention = any_of("attention")


class TrainedModel(Settings, ABC):
    """The architecture of a transformer that is trained.

    The network that ``build`` returns holds an ensemble of one seed: the first dimension of each
    parameter is the seed, and more seeds are more rows (`iclbench.models.networks.layers`). It maps
    inputs (S,B,T,p) and outputs (S,B,T,q) to the predictions (S,K,B,T,q) read out after each of its
    K layers; position t is computed from the pairs before t and x_t alone. Whatever reads an inner
    layer out is called ``probes``, one module a layer, and sees detached hidden states: it learns
    and the transformer does not feel it. An inner prediction that is read from the transformer
    itself is detached, for training sums the errors of all.

    A network that has probes returns, called with ``states=True``, what they and the readout see,
    (S,K,B,T,width). One that predicts the last position alone at less cost does so, (S,K,B,1,q),
    where it is called with ``last=True``.

    The matrices that Muon may train are all those of its blocks: parameters whose names begin with
    "block". A network without any says so in ``has_blocks``.
    """

    has_blocks: ClassVar[bool] = True

    kind: str
    """The name of this kind in its room's registry."""

    layers: int = Field(default=1, ge=1, le=128, description="L, the depth")

    @property
    def needs(self) -> frozenset[Fact]:
        """What must hold of a task for this model to work on it; by default nothing."""
        return frozenset()

    @property
    def iterates(self) -> tuple[int, ...]:
        """The depths that predictions are read out at: after every layer."""
        return tuple(range(1, self.layers + 1))

    @abstractmethod
    def build(self, input_dim: int, output_dim: int, length: int) -> torch.nn.Module:
        """Return the network for prompts of at most ``length`` pairs, randomly initialised.

        It is drawn in float32 from torch's default generator, and has parameters and no buffers.
        """

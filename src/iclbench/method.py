"""A method: a predictor with an iterate axis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Annotated, TypeVar

from jaxtyping import Float
from pydantic import AfterValidator, Field

from iclbench.capabilities import Fact
from iclbench.lazy import torch
from iclbench.settings import Settings

Entry = TypeVar("Entry", int, float)


def ascending(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries of a list, such as iterates, which must ascend.

    Raises:
        ValueError: If one is not larger than the one before.
    """
    for earlier, later in pairwise(entries):
        if later <= earlier:
            raise ValueError(
                f"the entries must ascend, but {later} follows {earlier}; sort them and list each "
                "once"
            )
    return entries


Ascending = Annotated[tuple[Entry, ...], Field(min_length=1), AfterValidator(ascending)]
"""A list in settings of which each entry gives a result of its own."""


class Method(Settings, ABC):
    """A predictor that is not trained: a classical solver, or a transformer with given weights.

    The iterate axis is the iteration of a solver and the depth of a transformer; comparing the two
    is what this benchmark is for.
    """

    kind: str
    """The name of this kind in its room's registry."""

    @property
    def needs(self) -> frozenset[Fact]:
        """What must hold of a task for this method to work on it; by default nothing."""
        return frozenset()

    @property
    def iterates(self) -> tuple[int, ...]:
        """The iterations or depths that ``predict`` reports, ascending; (0,) if there are none."""
        return (0,)

    @abstractmethod
    def predict(
        self,
        inputs: Float[torch.Tensor, "batch time p"],
        outputs: Float[torch.Tensor, "batch time q"],
    ) -> Float[torch.Tensor, "iterate batch time q"]:
        """Predict y_t from the pairs before t and x_t alone, at every t and reported iterate.

        The result has the dtype and device of the inputs. An iterate that overflows gives inf or
        NaN there and nowhere else; a method does not raise because one prompt is ill-posed.
        """

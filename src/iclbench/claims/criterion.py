"""Where an effect must lie for its claim to hold."""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from iclbench.claims.numbers import number
from iclbench.settings import Settings


class Criterion(Settings):
    """A region for the effect; exactly one form is given."""

    below: float | None = Field(default=None, description="the effect is less than this")
    above: float | None = Field(default=None, description="the effect is more than this")
    between: tuple[float, float] | None = Field(
        default=None, description="the effect lies in [a, b]"
    )
    near: float | None = Field(
        default=None, description="the effect lies around this, as far as within or within_relative"
    )
    within: float | None = Field(default=None, ge=0, description="how far from near")
    within_relative: float | None = Field(
        default=None, ge=0, description="how far from near, as a fraction of it"
    )

    @model_validator(mode="after")
    def _has_one_form(self) -> Criterion:
        forms = (
            "{below: x}, {above: x}, {between: [a, b]}, {near: x, within: d} or "
            "{near: x, within_relative: r}"
        )
        given = frozenset(self.model_dump(exclude_none=True))
        allowed = [{"below"}, {"above"}, {"between"}, {"near", "within"}]
        if given not in [frozenset(form) for form in [*allowed, {"near", "within_relative"}]]:
            found = ", ".join(sorted(given)) or "nothing"
            raise ValueError(f"found {found}; expected exactly one of {forms}")
        if self.between and self.between[0] > self.between[1]:
            a, b = self.between
            raise ValueError(f"between: [{a:g}, {b:g}]: expected the lower bound first")
        if self.within_relative is not None and self.near == 0:
            raise ValueError("within_relative: a fraction of near, which is 0; expected within")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """The ends of the region; an infinite one is no bound."""
        if self.below is not None:
            return -math.inf, self.below
        if self.above is not None:
            return self.above, math.inf
        if self.between is not None:
            return self.between
        assert self.near is not None
        reach = self.within if self.within_relative is None else self._relative_reach(self.near)
        assert reach is not None
        return self.near - reach, self.near + reach

    def _relative_reach(self, near: float) -> float:
        assert self.within_relative is not None
        return self.within_relative * abs(near)

    def holds(self, value: float) -> bool:
        """Return whether an effect satisfies it; the ends count, but for below and above."""
        low, high = self.bounds
        is_strict = self.below is not None or self.above is not None
        return low < value < high if is_strict else low <= value <= high

    @property
    def words(self) -> str:
        """The criterion, for a table.

        Examples:
            >>> Criterion(below=0.02).words, Criterion(near=2.0, within_relative=0.05).words
            ('below 0.02', 'within 5 % of 2')
        """
        if self.below is not None:
            return f"below {_exact(self.below)}"
        if self.above is not None:
            return f"above {_exact(self.above)}"
        if self.between is not None:
            return f"between {_exact(self.between[0])} and {_exact(self.between[1])}"
        assert self.near is not None
        if self.within_relative is not None:
            return f"within {_exact(100 * self.within_relative)} % of {_exact(self.near)}"
        assert self.within is not None
        return f"within {_exact(self.within)} of {_exact(self.near)}"


def _exact(value: float) -> str:
    text = f"{value:.12g}"
    return number(value) if "e" in text else text.replace("-", "−")

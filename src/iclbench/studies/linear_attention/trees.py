"""Regression trees on every prefix: one, and boosted ones."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from iclbench.lazy import torch
from iclbench.studies.linear_attention.estimators import Estimated, Estimator

ORDER = 0
"""Seed of the order in which coordinates are tried; of equally good splits the first is taken."""


class Trees(Estimated):
    """Trees on the pairs seen. Scikit-learn compares inputs in float32."""

    signs: bool = Field(default=False, description="whether it is shown the signs of x alone")

    @override
    def fit(
        self,
        inputs: Float[torch.Tensor, "batch seen p"],
        outputs: Float[torch.Tensor, "batch seen q"],
        queries: Float[torch.Tensor, "batch p"],
    ) -> Float[torch.Tensor, "batch q"]:
        if self.signs:
            inputs, queries = inputs.sign(), queries.sign()
        return super().fit(inputs, outputs, queries)


class RegressionTree(Trees):
    """A regression tree on the pairs seen, grown greedily by squared errors (CART).

    Every node whose labels differ is split by the coordinate and the threshold that leave the
    least sum of squared deviations from the means of its two parts, down to ``depth``. Of splits
    that are equally good one is taken at random, by a seed that is always the same.

    Source: a baseline of Garg et al. 2022 (arXiv 2208.01066): greedy trees on x and on its signs.
    """

    kind: Literal["regression_tree"] = Field(description="a greedy regression tree (CART)")
    depth: int = Field(default=4, ge=1, le=12, description="questions on the way to a leaf at most")

    @override
    def estimator(self) -> Estimator:
        from sklearn.tree import DecisionTreeRegressor

        return DecisionTreeRegressor(max_depth=self.depth, random_state=ORDER)


class BoostedTrees(Trees):
    """Regression trees one after another, each on what those before leave of the labels.

    It begins at the mean label. Each tree is grown by squared errors and counts ``rate`` times:
    gradient boosting of scikit-learn. Garg et al. used XGBoost, whose rule also penalises leaves
    (by default the squares of what they say).

    Source: a baseline of Garg et al. 2022 (arXiv 2208.01066). Depth, rounds and rate are by default
    those of XGBoost.
    """

    kind: Literal["boosted_trees"] = Field(description="gradient boosting of regression trees")
    depth: int = Field(default=6, ge=1, le=12, description="questions on the way to a leaf at most")
    rounds: int = Field(default=100, ge=1, le=10_000, description="number of trees")
    rate: float = Field(default=0.3, gt=0, le=1, description="how much of each tree counts")

    @override
    def estimator(self) -> Estimator:
        from sklearn.ensemble import GradientBoostingRegressor

        return GradientBoostingRegressor(
            max_depth=self.depth,
            n_estimators=self.rounds,
            learning_rate=self.rate,
            random_state=ORDER,
        )

"""The study's own laws of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from iclbench.streams import stream
from iclbench.studies.linear_attention.functions import DecisionTree, Quadratic

QUADRATIC = Quadratic(kind="quadratic", dim=4)
TREE = DecisionTree(kind="decision_tree", dim=5, depth=3)


@pytest.mark.parametrize("family", [QUADRATIC, TREE], ids=lambda family: family.kind)
def test_outputs_have_the_stated_power(family: Quadratic | DecisionTree):
    squares = (family.sample(stream("power"), 6000, 3).outputs ** 2).mean((1, 2))
    assert abs(squares.mean() - family.output_power) < 4.5 * squares.std() / len(squares) ** 0.5


def test_a_quadratic_is_even_and_of_degree_two():
    prompts = QUADRATIC.sample(stream("quadratic"), 20, 5)
    form = np.einsum("bi,ij->bij", prompts.truth["w"] / 3**0.5, np.eye(4))
    expected = np.einsum("bti,bij,btj->bt", prompts.inputs, form, prompts.inputs)
    np.testing.assert_allclose(prompts.outputs[..., 0], expected)


def test_a_tree_answers_by_the_signs_it_asks_for():
    prompts = TREE.sample(stream("tree"), 30, 20)
    coordinates, leaves = prompts.truth["coordinates"], prompts.truth["leaves"]

    def follow(b: int, x: np.ndarray, node: int = 0, low: int = 0, high: int = 8) -> float:
        if high - low == 1:
            return leaves[b, low]
        middle = (low + high) // 2
        if x[coordinates[b, node]] > 0:
            return follow(b, x, 2 * node + 2, middle, high)
        return follow(b, x, 2 * node + 1, low, middle)

    for b, (xs, ys) in enumerate(zip(prompts.inputs, prompts.outputs[..., 0], strict=True)):
        assert [follow(b, x) for x in xs] == ys.tolist()
    assert len(np.unique(coordinates)) == 5

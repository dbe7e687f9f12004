"""The step sizes that the study lists for gradient descent, against fresh prompts of its task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from iclbench.config.files import TaskFile
from iclbench.streams import stream

CONFIG = Path(__file__).parents[3] / "config"
PARTS, SIZE = 20, 500


@pytest.fixture(scope="module")
def variants():
    return yaml.safe_load((CONFIG / "studies/icar.yaml").read_text())["variants"]


@pytest.fixture(scope="module")
def parts():
    """Gram matrices of the prefixes, sum x x^T and sum y x^T, of a few sets of fresh prompts."""
    file = TaskFile.model_validate(yaml.safe_load((CONFIG / "tasks/haar.yaml").read_text()))
    drawn = []
    for part in range(PARTS):
        prompts = file.family.sample(stream("baselines", part), SIZE, file.length)
        x, y = torch.from_numpy(prompts.inputs), torch.from_numpy(prompts.outputs)
        sums = []
        for left in (x, y):
            terms = left.unsqueeze(-1) * x.unsqueeze(-2)
            sums.append(torch.cumsum(terms, 1) - terms)
        drawn.append((x, y, *sums))
    return drawn


def predicted(part, step, count):
    x, _, gram, cross = part
    W = torch.zeros_like(gram)
    for _ in range(count):
        W = W + step * (cross - W @ gram)
    return (W @ x.unsqueeze(-1)).squeeze(-1)


def test_one_step_is_best_at_the_listed_sizes(variants, parts):
    """eta* = E <g, y> / E |g|^2 with g the prediction of step size 1, over all or at a position."""
    products, squares = [], []
    for part in parts:
        g = predicted(part, 1.0, 1)
        products.append((g * part[1]).sum(-1).mean(0).numpy())
        squares.append(g.square().sum(-1).mean(0).numpy())
    products, squares = np.array(products), np.array(squares)
    best = products.sum(1) / squares.sum(1)
    stderr = best.std(ddof=1) / PARTS**0.5
    listed = variants["gd_one_step"]["solver"]["step"]
    assert abs(best.mean() - listed) < 5 * stderr + 5e-5
    by_position = products[:, 1:] / squares[:, 1:]
    stderr = by_position.std(0, ddof=1) / PARTS**0.5
    listed = np.array(variants["gd_one_step_by_position"]["solver"]["step"])
    assert len(listed) == products.shape[1]
    assert (np.abs(by_position.mean(0) - listed[1:]) < 5 * stderr + 5e-4).all()


@pytest.mark.parametrize("count", [2, 4])
def test_several_steps_are_best_at_the_listed_size(variants, parts, count):
    """The parabola through the errors around the listed size has its minimum near it."""
    solver = variants[f"gd_steps_{count}"]["solver"]
    assert solver["iterations"] == [count]
    grid = solver["step"] + np.array([-0.003, -0.0015, 0, 0.0015, 0.003])
    errors = np.array(
        [
            [float((predicted(part, step, count) - part[1]).square().mean()) for step in grid]
            for part in parts
        ]
    )
    lowest = []
    for course in errors:
        a, b, _ = np.polyfit(grid - solver["step"], course, 2)
        assert a > 0
        lowest.append(-b / (2 * a))
    stderr = np.std(lowest, ddof=1) / PARTS**0.5
    assert abs(np.mean(lowest)) < 5 * stderr + 2e-4

"""The gradient of the loss at the stationary points of theory, averaged over a group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from iclbench.kernels.named import inner_product_kernel
from iclbench.models.paired import Paired
from iclbench.streams import stream
from iclbench.studies.functional_gd.problems import SPECTRUM, process
from iclbench.studies.functional_gd.stationary import (
    Stationary,
    gradient_distances,
    signed_cyclic_permutations,
)

LABELS = {"study": "functional_gd", "task": "m", "scale": "smoke", "config": "c", "code": "d"}


def rows_of(measurement):
    return pd.concat(measurement.measure(("functional_gd", "m"), LABELS), ignore_index=True)


def test_signed_cyclic_permutations_are_a_group_that_leaves_no_direction():
    group = signed_cyclic_permutations(3)
    assert len(group) == 24
    known = {element.tobytes() for element in group + 0.0}
    assert len(known) == 24
    assert all((a @ b + 0.0).tobytes() in known for a in group for b in group)
    M = np.random.default_rng(0).standard_normal((3, 3))
    mean = np.mean([g @ M @ g.T for g in group], axis=0)
    np.testing.assert_allclose(mean, np.trace(M) / 3 * np.eye(3), atol=1e-12)


def test_gradients_are_tangent_where_labels_have_the_symmetry_and_only_there():
    rows = rows_of(Stationary(kind="functional_gd_stationary", seeds=2, prompts=4, layers=2))
    plain = rows["method"].str.endswith("_plain")
    assert rows.loc[~plain, "value"].max() < 1e-10
    assert rows.loc[plain, "value"].min() > 0.05
    assert rows["method"].nunique() == 12


@pytest.mark.parametrize("spectrum", [SPECTRUM, (1.0,) * 5])
def test_prompts_that_are_not_turned_have_gradients_off_the_manifold(spectrum):
    """So it is by the average over the group that the distance vanishes, not by B and C."""
    task = process(inner_product_kernel("linear"), spectrum, 0, whitened=True)
    drawn = task.sample(stream("test"), 16, 5)
    model = Paired(kind="paired", layers=2, value="block", context="prefix", mean=True)
    found = gradient_distances(model, task, drawn.inputs, drawn.outputs, 0)
    assert found.min() > 0.05


def test_turned_prompts_keep_the_law_of_their_labels():
    """Turning leaves the Gram matrix of whitened labels: copies have the same labels."""
    measurement = Stationary(kind="functional_gd_stationary", seeds=1, prompts=3)
    task = process(inner_product_kernel("exponential"), SPECTRUM, 1, whitened=True)
    inputs, outputs = measurement._turned(task, ("test",))
    copies = outputs.reshape(-1, 3, measurement.pairs + 1)
    np.testing.assert_allclose(copies, np.broadcast_to(copies[:1], copies.shape), atol=1e-9)
    xi = inputs @ np.linalg.inv(task.covariance_root)
    np.testing.assert_allclose(np.linalg.norm(xi, axis=-1), 1)
    assert len(np.unique(xi.round(9).reshape(len(copies), -1), axis=0)) == len(copies)

"""The shipped files of constructed models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import torch
import yaml
from pydantic import Field, TypeAdapter

from iclbench.models.constructed.causal_kernel_descent import CausalKernelDescent
from iclbench.models.constructed.functional_gd import FunctionalGD
from iclbench.models.constructed.newton import Newton
from iclbench.models.constructed.recurrent import Recurrent

MODELS = TypeAdapter(
    Annotated[FunctionalGD | CausalKernelDescent | Newton | Recurrent, Field(discriminator="kind")]
)
FILES = [
    path
    for path in sorted((Path(__file__).parents[3] / "config" / "models").glob("*.yaml"))
    if "training" not in yaml.safe_load(path.read_text())
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_model_beats_zero_on_a_linear_task(path):
    model = MODELS.validate_python(yaml.safe_load(path.read_text())["model"])
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(16, 25, 3, generator=rng, dtype=torch.float64)
    x = x / x.norm(dim=-1, keepdim=True)
    y = x @ torch.randn(16, 3, 2, generator=rng, dtype=torch.float64)
    error = (model.predict(x, y) - y)[-1, :, -5:].square().mean()
    assert error < 0.5 * y.square().mean()

"""What holds of every constructed transformer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from iclbench.models.constructed import prefixes
from iclbench.models.constructed.causal_kernel_descent import CausalKernelDescent
from iclbench.models.constructed.functional_gd import FunctionalGD
from iclbench.models.constructed.newton import Newton
from iclbench.models.constructed.recurrent import Recurrent

DEPTHS = (1, 2, 5)


def functional_gd(*kinds, **rest):
    heads = [{"attention": {"kind": kind, "scale": 0.7}} for kind in kinds]
    return FunctionalGD(kind="functional_gd", heads=heads, depths=DEPTHS, **rest)


def ckd(kind, **rest):
    attention = {"kind": kind, "scale": 0.7}
    return CausalKernelDescent(
        kind="causal_kernel_descent", attention=attention, depths=DEPTHS, **rest
    )


def recurrent(kind, **rest):
    return Recurrent(kind="recurrent", attention={"kind": kind}, **rest)


MODELS = {
    "gd linear": functional_gd("linear", step=0.05),
    "gd relu": functional_gd("relu"),
    "gd exponential": functional_gd("exponential"),
    "gd softmax": functional_gd("softmax", step=0.5),
    "gd linear + exponential": functional_gd("linear", "exponential"),
    "ckd linear": ckd("linear"),
    "ckd linear relative": ckd("linear", relative=True),
    "ckd exponential": ckd("exponential"),
    "ckd softmax": ckd("softmax", step=0.8),
    "newton": Newton(kind="newton", depths=DEPTHS),
    "delta": recurrent("delta", normalised=True),
    "gated": recurrent("gated_linear", step=0.1, forgetting=0.9),
    "mesa": recurrent("mesa"),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def prompts(batch=3, time=8, p=3, q=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randn(batch, time, p, generator=rng, dtype=torch.float64)
    outputs = torch.randn(batch, time, q, generator=rng, dtype=torch.float64)
    return inputs / inputs.norm(dim=-1, keepdim=True), outputs


def close(left, right, tolerance=1e-12):
    torch.testing.assert_close(left, right, rtol=tolerance, atol=tolerance)


@every_model
@settings(deadline=None, max_examples=6)
@given(cut=st.integers(0, 7), seed=st.integers(0, 99))
def test_the_future_changes_nothing(model, cut, seed):
    x, y = prompts(seed=seed)
    before = model.predict(x, y)
    x[:, cut + 1 :] = 1.3 * torch.rand_like(x[:, cut + 1 :])
    y[:, cut:] = torch.rand_like(y[:, cut:])
    close(model.predict(x, y)[:, :, : cut + 1], before[:, :, : cut + 1])


@every_model
def test_the_past_matters(model):
    x, y = prompts()
    before = model.predict(x, y)
    y[:, 0] += 1
    assert (model.predict(x, y) != before).any(-1).any(-1).all()


@every_model
@pytest.mark.parametrize(("time", "p", "q"), [(1, 2, 1), (2, 1, 3), (4, 5, 1)])
def test_shapes(model, time, p, q):
    x, y = prompts(time=time, p=p, q=q)
    predicted = model.predict(x, y)
    assert predicted.shape == (len(model.iterates), 3, time, q)
    assert (predicted[:, :, 0] == 0).all()


@every_model
def test_prompts_are_independent(model):
    x, y = prompts()
    together = model.predict(x, y)
    for b in range(3):
        close(together[:, b : b + 1], model.predict(x[b : b + 1], y[b : b + 1]))


@every_model
def test_pieces_of_prefixes_change_nothing(model, monkeypatch):
    x, y = prompts()
    whole = model.predict(x, y)
    monkeypatch.setattr(prefixes, "SCORES", 5 * 8**2)
    close(model.predict(x, y), whole)


@every_model
def test_predictions_are_linear_in_the_outputs(model):
    x, y = prompts()
    _, z = prompts(seed=1)
    close(model.predict(x, y - 2 * z), model.predict(x, y) - 2 * model.predict(x, z), 1e-10)


@every_model
def test_predictions_are_invariant_under_rotations_of_the_inputs(model):
    x, y = prompts()
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    close(model.predict(x @ rotation, y), model.predict(x, y), 1e-10)


@every_model
def test_single_precision(model):
    x, y = prompts()
    single = model.predict(x.float(), y.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), model.predict(x, y), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in MODELS if name[:2] in ("gd", "ne")])
def test_the_order_of_a_context_does_not_matter(name):
    x, y = prompts()
    before = MODELS[name].predict(x, y)[:, :, -1]
    order = [*torch.randperm(7).tolist(), 7]
    close(MODELS[name].predict(x[:, order], y[:, order])[:, :, -1], before, 1e-10)


def test_overflow_stays_in_its_prompt_and_after_its_position():
    x, y = prompts(batch=2, time=30)
    x[0, 10] *= 1e90
    for name, rest in (("ckd linear", {}), ("gd linear", {"step": 0.05})):
        model = MODELS[name].model_copy(update={"depths": (40,), **rest})
        predicted = model.predict(x, y)
        assert predicted[:, 1].isfinite().all()
        assert predicted[:, 0, :10].isfinite().all()
        assert not predicted[:, 0, 12:].isfinite().all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "newton", "depths": [2, 2]}, "must ascend"),
        ({"kind": "newton", "depths": []}, "at least 1 item"),
        (
            {"kind": "recurrent", "attention": {"kind": "mesa"}, "step": 2.0},
            "mesa attention solves",
        ),
        (
            {"kind": "recurrent", "attention": {"kind": "delta"}, "forgetting": 0.9},
            "delta attention does not forget",
        ),
        (
            {
                "kind": "causal_kernel_descent",
                "attention": {"kind": "softmax"},
                "relative": True,
            },
            "relative: true does not apply",
        ),
    ],
)
def test_faulty_settings_say_what_to_do(settings, message):
    kinds = TypeAdapter(Newton | Recurrent | CausalKernelDescent)
    with pytest.raises(ValidationError, match=message):
        kinds.validate_python(settings)

"""What holds of every iterative solver and baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iclbench.kernels.named import inner_product_kernel
from iclbench.method import Method
from iclbench.solvers.averaging import Averaging
from iclbench.solvers.causal_kernel_descent import CausalKernelDescent
from iclbench.solvers.conjugate_gradient import ConjugateGradient
from iclbench.solvers.gradient_descent import GradientDescent
from iclbench.solvers.kaczmarz import Kaczmarz
from iclbench.solvers.kaczmarz_cyclic import CyclicKaczmarz
from iclbench.solvers.kaczmarz_randomised import RandomisedKaczmarz
from iclbench.solvers.nearest_neighbours import NearestNeighbours
from iclbench.solvers.newton import Newton
from iclbench.solvers.online_gradient_descent import OnlineGradientDescent
from iclbench.solvers.zero import Zero

SETTINGS: list[Method] = [
    Zero.model_validate({"kind": "zero"}),
    Averaging.model_validate({"kind": "averaging"}),
    NearestNeighbours.model_validate({"kind": "nearest_neighbours"}),
    Kaczmarz.model_validate({"kind": "kaczmarz"}),
    Kaczmarz(kind="kaczmarz", kernel=inner_product_kernel("exponential", scale=0.5)),
    Kaczmarz(kind="kaczmarz", kernel=inner_product_kernel("relu")),
    CyclicKaczmarz(kind="kaczmarz_cyclic", sweeps=(0, 1, 3)),
    RandomisedKaczmarz(kind="kaczmarz_randomised", iterations=(0, 1, 7, 20)),
    *(
        CausalKernelDescent.model_validate(
            {"kind": "causal_kernel_descent", "attention": {"kind": kind}, "step": 0.2, **more}
        )
        for kind, more in [
            ("linear", {"relative": True, "depths": [0, 1, 5]}),
            ("relu", {"relative": True, "depths": [3]}),
            ("exponential", {"relative": True, "depths": [1, 4]}),
            ("softmax", {"depths": [1, 6]}),
            ("softmax", {"depths": "limit"}),
        ]
    ),
    *(
        GradientDescent.model_validate(
            {"kind": "gradient_descent", "iterations": [0, 1, 2, 5, 100], **more}
        )
        for more in [
            {"step": 0.02},
            {"step": "stable"},
            {"step": "optimal", "start": "uniform"},
            {"step": [0.01] * 20, "normalise": True},
        ]
    ),
    OnlineGradientDescent(kind="online_gradient_descent", start="uniform"),
    OnlineGradientDescent(kind="online_gradient_descent", step=0.05),
    Newton(kind="newton", iterations=(0, 1, 8, 23)),
    Newton(kind="newton", initial_scale="code", regularisation=0.1),
    ConjugateGradient(kind="conjugate_gradient", iterations=(0, 1, 2, 4, 9)),
]
ITERATED = (CyclicKaczmarz, RandomisedKaczmarz, CausalKernelDescent, GradientDescent, Newton)
STARTED_AT_ZERO = [m for m in SETTINGS if getattr(m, "start", "zero") == "zero"]
ORDERLESS = (Averaging, NearestNeighbours, GradientDescent, Newton, ConjugateGradient)


def name(method: Method) -> str:
    return f"{method.kind}-{SETTINGS.index(method)}"


every = pytest.mark.parametrize("method", SETTINGS, ids=name)


def regression(seed: int, *, batch: int = 3, time: int = 9, p: int = 4, q: int = 2):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, time, p))
    w = rng.standard_normal((batch, p, q))
    noise = 0.1 * rng.standard_normal((batch, time, q))
    return torch.from_numpy(x), torch.from_numpy(x @ w + noise)


@every
def test_shape_and_dtype(method: Method) -> None:
    x, y = regression(0)
    for dtype in (torch.float32, torch.float64):
        predictions = method.predict(x.to(dtype), y.to(dtype))
        assert predictions.shape == (len(method.iterates), *y.shape)
        assert predictions.dtype == dtype
        assert predictions.isfinite().all()


@every
def test_the_future_is_not_seen(method: Method) -> None:
    x, y = regression(1)
    before = method.predict(x, y)
    for t in (0, 1, 4, 8):
        later_x, later_y = x.clone(), y.clone()
        later_x[:, t + 1 :] = 100 * later_x[:, t + 1 :].flip(1)
        later_y[:, t:] = -1e3 - later_y[:, t:]
        assert torch.equal(method.predict(later_x, later_y)[:, :, : t + 1], before[:, :, : t + 1])


@every
def test_nothing_seen_predicts_the_start(method: Method) -> None:
    x, y = regression(2)
    first = method.predict(x, y)[:, :, 0]
    if getattr(method, "start", "zero") == "zero":
        assert (first == 0).all()
    else:
        assert (first == first[:1]).all()
        assert (first != 0).all()


@every
def test_prompts_do_not_meet(method: Method) -> None:
    x, y = regression(3)
    together = method.predict(x, y)
    alone = torch.cat([method.predict(x[b : b + 1], y[b : b + 1]) for b in range(len(x))], dim=1)
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("method", STARTED_AT_ZERO, ids=name)
def test_rotating_inputs_changes_nothing(method: Method) -> None:
    x, y = regression(4)
    Q = torch.linalg.qr(torch.from_numpy(np.random.default_rng(4).standard_normal((4, 4)))).Q
    torch.testing.assert_close(method.predict(x @ Q, y), method.predict(x, y), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "method", [m for m in STARTED_AT_ZERO if not getattr(m, "normalise", False)], ids=name
)
def test_outputs_are_solved_side_by_side(method: Method) -> None:
    x, y = regression(5)
    columns = [method.predict(x, y[..., j : j + 1]) for j in range(y.shape[-1])]
    torch.testing.assert_close(method.predict(x, y), torch.cat(columns, -1), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("method", [m for m in SETTINGS if isinstance(m, ORDERLESS)], ids=name)
def test_the_order_of_pairs_seen_does_not_matter(method: Method) -> None:
    x, y = regression(6)
    order = [5, 2, 7, 0, 3, 1, 6, 4, 8]
    last, permuted = (method.predict(x[:, o], y[:, o])[:, :, -1] for o in (range(9), order))
    torch.testing.assert_close(permuted, last, rtol=1e-8, atol=1e-9)


def test_the_order_of_pairs_seen_matters_online() -> None:
    x, y = regression(6)
    for method in SETTINGS:
        if isinstance(method, Kaczmarz | OnlineGradientDescent):
            last = method.predict(x, y)[:, :, -1]
            order = [1, 0, *range(2, 9)]
            assert (method.predict(x[:, order], y[:, order])[:, :, -1] - last).abs().max() > 1e-6


@every
def test_float32_is_close_to_float64(method: Method) -> None:
    x, y = (part.float() for part in regression(7))
    narrow, wide = method.predict(x, y), method.predict(x.double(), y.double())
    torch.testing.assert_close(narrow.double(), wide, rtol=1e-4, atol=1e-4)


@every
@pytest.mark.parametrize("case", ["one pair", "one dimension", "zero", "twins", "some zero"])
def test_degenerate_prompts_give_numbers(method: Method, case: str) -> None:
    x, y = regression(8, batch=1)
    match case:
        case "one pair":
            x, y = x[:, :1], y[:, :1]
        case "one dimension":
            x, y = x[..., :1], y[..., :1]
        case "zero":
            x = torch.zeros_like(x)
        case "twins":
            x = x[:, [0, 0, 1, 1, 0, 1, 2, 2, 0]]
        case "some zero":
            x = x * torch.tensor([0.0, 1, 1, 0, 0, 1, 1, 1, 0]).double()[:, None]
    predictions = method.predict(x, y)
    assert predictions.isfinite().all()
    # The twins contradict each other: nothing may be read out of their rounding errors.
    assert predictions.abs().max() < 1e4


@pytest.mark.parametrize("method", [m for m in SETTINGS if isinstance(m, ITERATED)], ids=name)
def test_iterates_are_those_asked_for(method: Method) -> None:
    x, y = regression(9)
    for k, iterate in enumerate(method.iterates):
        field = next(f for f in ("iterations", "sweeps", "depths") if hasattr(method, f))
        if getattr(method, field) == "limit":
            continue
        alone = method.model_copy(update={field: (iterate,)}).predict(x, y)
        assert torch.equal(alone[0], method.predict(x, y)[k])


@pytest.mark.parametrize("iterations", [(), (3, 3), (4, 2), (-1, 2)])
def test_iterations_must_increase(iterations: tuple[int, ...]) -> None:
    for cls, kind in [(GradientDescent, "gradient_descent"), (Newton, "newton")]:
        with pytest.raises(ValueError, match="iterations"):
            cls.model_validate({"kind": kind, "iterations": iterations})

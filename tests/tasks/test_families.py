"""What holds of every family of tasks, on every shipped file and at the smallest sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from iclbench.registry import KINDS, find
from iclbench.streams import stream
from iclbench.tasks.family import Family
from iclbench.tasks.prompts import Prompts

FILES = sorted((Path(__file__).parents[2] / "config" / "tasks").glob("*.yaml"))


def read(path: Path) -> tuple[Family, int]:
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    room = "dynamics" if "dynamics" in said else "regression"
    return find(room, said[room]["kind"]).model_validate(said[room]), said["length"]


SHIPPED = {path.stem: read(path) for path in FILES}
SMALLEST: dict[str, Family] = {
    f"{room}-{settings['kind']}-{number}": find(room, settings["kind"]).model_validate(settings)
    for room, number, settings in [
        ("dynamics", 0, {"kind": "haar", "dim": 1}),
        ("dynamics", 0, {"kind": "commuting_orthogonal", "dim": 2}),
        ("dynamics", 0, {"kind": "commuting_unitary", "dim": 1}),
        ("dynamics", 0, {"kind": "concentrated", "mu": 1}),
        ("dynamics", 0, {"kind": "linear", "dim": 1}),
        ("dynamics", 1, {"kind": "linear", "dim": 1, "noise": 0.5}),
        ("dynamics", 0, {"kind": "periodic", "dim": 2, "period": 2}),
        ("dynamics", 0, {"kind": "rotation", "dim": 1}),
        ("dynamics", 0, {"kind": "network", "dim": 1, "activation": "tanh", "hidden": 2}),
        ("dynamics", 1, {"kind": "network", "dim": 1, "activation": "relu", "hidden": 2}),
        ("dynamics", 0, {"kind": "rkhs", "dim": 2}),
        ("dynamics", 1, {"kind": "rkhs", "dim": 3, "centres": 1}),
        ("regression", 0, {"kind": "linear", "dim": 1}),
        ("regression", 1, {"kind": "linear", "dim": 2, "nonzeros": 1, "condition": 10, "noise": 1}),
        ("regression", 0, {"kind": "recall", "dim": 2, "keys": 2}),
        ("regression", 1, {"kind": "recall", "dim": 2, "keys": 3, "value_dim": 2}),
        ("regression", 0, {"kind": "relu_network", "dim": 1, "hidden": 1}),
        *(
            (
                "regression",
                number,
                {"kind": "gaussian_process", "kernel": {"kind": kernel}, "spectrum": (1.0,)},
            )
            for number, kernel in enumerate(("linear", "relu", "exponential"))
        ),
    ]
}

shipped = pytest.mark.parametrize("name", SHIPPED)
of_known_power = pytest.mark.parametrize(
    "name", [name for name, (family, _) in SHIPPED.items() if family.output_power is not None]
)
of_known_bayes = pytest.mark.parametrize(
    "name",
    [name for name, (f, _) in SHIPPED.items() if f.bayes(f.sample(stream(name), 1, 1)) is not None],
)


def per_prompt(values: np.ndarray) -> np.ndarray:
    """Return the mean over positions and coordinates, one number a prompt: these are iid."""
    return values.mean((1, 2))


def within_standard_errors(samples: np.ndarray, expected: float, errors: float = 4) -> bool:
    margin = errors * samples.std(ddof=1) / np.sqrt(len(samples))
    return bool(abs(samples.mean() - expected) <= margin + 1e-12)


def check(family: Family, prompts: Prompts, batch: int, length: int) -> None:
    """Shapes, types, finiteness, and every fact that the family states of its prompts."""
    x, y, clean = prompts.inputs, prompts.outputs, prompts.clean
    assert x.shape == (batch, length, family.input_dim)
    assert y.shape == clean.shape == (batch, length, family.output_dim)
    assert all(array.dtype == np.float64 for array in (x, y, clean))
    assert all(np.isfinite(array).all() for array in (x, y, clean, *prompts.truth.values()))
    assert all(len(array) == batch for array in prompts.truth.values())
    assert ("scalar outputs" in family.facts) == (family.output_dim == 1)
    if "autoregressive" in family.facts:
        np.testing.assert_array_equal(x[:, 1:], y[:, :-1])
    if "unit-norm inputs" in family.facts:
        np.testing.assert_allclose((x**2).sum(-1), 1, rtol=1e-12)
    if "noise-free" in family.facts:
        np.testing.assert_array_equal(y, clean)


def test_every_kind_is_shipped_and_checked_at_its_smallest():
    kinds = {(room, kind) for room in ("dynamics", "regression") for kind in KINDS[room]}
    rooms = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FILES}
    files = {(room, s[room]["kind"]) for s in rooms.values() for room in s.keys() & KINDS.keys()}
    assert files == kinds
    assert {tuple(name.split("-")[:2]) for name in SMALLEST} == kinds


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_names_its_schema_and_says_what_it_is(path: Path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../schema/task.json\n")
    said = yaml.safe_load(text)
    assert said.keys() - {"dynamics", "regression"} == {"summary", "length"}
    assert 20 < len(said["summary"]) <= 100


@shipped
def test_shipped_prompts_are_well_formed_and_their_facts_true(name: str):
    family, length = SHIPPED[name]
    check(family, family.sample(stream("facts", name), 16, length), 16, length)


@shipped
def test_facts_leave_out_only_what_does_not_hold(name: str):
    family, length = SHIPPED[name]
    prompts = family.sample(stream("facts", name), 16, length)
    norms = (prompts.inputs**2).sum(-1)
    on_sphere = np.allclose(norms, 1, rtol=1e-9)
    assert ("unit-norm inputs" in family.facts) == on_sphere
    assert ("noise-free" in family.facts) == np.array_equal(prompts.outputs, prompts.clean)


@pytest.mark.parametrize("name", SMALLEST)
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 5), (3, 1), (2, 9)])
def test_smallest_sizes_work(name: str, batch: int, length: int):
    family = SMALLEST[name]
    prompts = family.sample(stream("small", name), batch, length)
    check(family, prompts, batch, length)
    predictions = family.bayes(prompts)
    if predictions is not None:
        assert predictions.shape == prompts.outputs.shape
        assert np.isfinite(predictions).all()


@shipped
def test_same_stream_same_bytes_and_other_stream_other_prompts(name: str):
    family, length = SHIPPED[name]

    def content(*names: str | int, step: int = 0) -> list[bytes]:
        prompts = family.sample(stream(*names, step=step), 3, length)
        arrays = (prompts.inputs, prompts.outputs, prompts.clean, *prompts.truth.values())
        return [array.tobytes() for array in arrays]

    assert content(name, "a") == content(name, "a")
    assert content(name, "a")[1] != content(name, "b")[1]
    assert content(name, "a")[1] != content(name, "a", step=1)[1]


@of_known_power
def test_predicting_zero_errs_by_the_output_power(name: str):
    family, length = SHIPPED[name]
    assert family.output_power is not None
    outputs = family.sample(stream("power", name), 2000, length).outputs
    assert within_standard_errors(per_prompt(outputs**2), family.output_power)


@shipped
def test_clean_outputs_are_the_mean_of_the_outputs(name: str):
    family, length = SHIPPED[name]
    prompts = family.sample(stream("clean", name), 2000, length)
    noise = prompts.outputs - prompts.clean
    assert within_standard_errors(per_prompt(noise), 0)
    assert within_standard_errors(per_prompt(noise * prompts.clean), 0)
    assert within_standard_errors(per_prompt(noise**2), getattr(family, "noise", 0.0) ** 2)


@of_known_bayes
def test_bayes_never_uses_the_future(name: str):
    family, length = SHIPPED[name]
    prompts = family.sample(stream("causal", name), 4, length)
    others = family.sample(stream("causal", name, "others"), 4, length)
    predictions = family.bayes(prompts)
    assert predictions is not None
    for t in range(length):
        inputs = np.concatenate([prompts.inputs[:, : t + 1], others.inputs[:, t + 1 :]], 1)
        outputs = np.concatenate([prompts.outputs[:, :t], others.outputs[:, t:]], 1)
        changed = family.bayes(Prompts(inputs=inputs, outputs=outputs, clean=outputs))
        assert changed is not None
        np.testing.assert_allclose(changed[:, t], predictions[:, t], rtol=1e-9, atol=1e-9)


@of_known_bayes
def test_bayes_error_is_uncorrelated_with_its_prediction(name: str):
    """What a conditional mean leaves over is orthogonal to every function of the past."""
    family, length = SHIPPED[name]
    prompts = family.sample(stream("bayes", name), 2000, length)
    predictions = family.bayes(prompts)
    assert predictions is not None
    residual = prompts.outputs - predictions
    assert (residual**2).mean() < (prompts.outputs**2).mean()
    past = np.concatenate([np.zeros_like(residual[:, :1]), residual[:, :-1]], 1)
    for seen in (predictions, np.ones_like(residual), past):
        assert within_standard_errors(per_prompt(residual * seen), 0)


@pytest.mark.parametrize(
    ("room", "settings", "named"),
    [
        ("dynamics", {"kind": "commuting_orthogonal", "dim": 5}, "multiple of 2"),
        ("dynamics", {"kind": "linear", "dim": 5, "radius": 1.1}, "radius"),
        ("dynamics", {"kind": "periodic", "dim": 1, "period": 3}, "dim"),
        ("dynamics", {"kind": "haar", "dim": 1_000_000}, "4096"),
        ("dynamics", {"kind": "haar", "dim": 5, "noise": 1}, "noise"),
        ("regression", {"kind": "linear", "dim": 3, "nonzeros": 3}, "nonzeros: 3 of dim 3"),
        ("regression", {"kind": "linear", "dim": 1, "condition": 10}, "at least two eigenvalues"),
        (
            "regression",
            {"kind": "gaussian_process", "kernel": {"kind": "linear"}, "spectrum": (1, -2)},
            "-2.0 is not a positive eigenvalue",
        ),
        (
            "regression",
            {"kind": "gaussian_process", "kernel": {"kind": "exponential", "scale": 100}},
            "give at most 22.2",
        ),
    ],
)
def test_impossible_settings_are_refused_with_a_reason(room: str, settings: dict, named: str):
    with pytest.raises(ValidationError, match=named):
        find(room, settings["kind"]).model_validate(settings)

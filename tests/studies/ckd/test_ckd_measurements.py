"""The measurements of causal kernel descent, against computations of their own."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from scipy.integrate import solve_ivp
from scipy.linalg import eigvals, solve_triangular, svdvals

from iclbench.records import write
from iclbench.registry import find, locations
from iclbench.studies.ckd.agreement import kaczmarz_pass
from iclbench.studies.ckd.problems import name_of, prompts_of
from iclbench.studies.ckd.rates import decay_rate
from iclbench.tasks.dynamics.haar import Haar
from iclbench.tasks.dynamics.periodic import Periodic

NAMES = ("0", "ckd", "some")
LABELS = {"study": "ckd", "task": "some", "scale": "smoke", "config": "c0ffee", "code": "decade"}
LINEAR, SOFTMAX = {"kind": "linear"}, {"kind": "softmax"}
SHARP = {"kind": "exponential", "scale": 2.3}
CYCLE = {"kind": "periodic", "dim": 7, "period": 5}
ORBIT = {"kind": "haar", "dim": 5}

SETTINGS = {
    "ckd_agreement": {"dynamics": CYCLE, "length": 12, "depths": [1, 3, 12]},
    "ckd_stability": {"dynamics": CYCLE, "length": 12},
    "ckd_descent": {
        "dynamics": CYCLE,
        "length": 12,
        "depths": [0, 1, 3, 7],
        "positions": [0, 2, 11, 40],
        "windows": [[1, 3], [9, 11]],
    },
    "ckd_linear_law": {"dims": [3, 6], "length": 60},
    "ckd_periodic": {"dims": [7], "taus": [5], "periods": 14, "burn": 5},
}


def measured(kind, seeds=3, attentions=(LINEAR, SHARP, SOFTMAX), **settings) -> pd.DataFrame:
    if kind != "ckd_linear_law":
        settings["attentions"] = list(attentions)
    measurement = find("measurements", kind).model_validate(
        {"kind": kind, "seeds": seeds, **settings}
    )
    return pd.concat(list(measurement.measure(NAMES, LABELS)), ignore_index=True)


def values(rows, metric, method=None, **where) -> np.ndarray:
    chosen = rows["metric"] == metric
    if method is not None:
        chosen &= rows["method"] == method
    for column, wanted in where.items():
        chosen &= rows[column] == wanted
    return rows[chosen].sort_values("seed")["value"].to_numpy(dtype=float)


def gram(x, kind, scale):
    products = scale * x @ np.swapaxes(x, -1, -2)
    return products if kind == "linear" else np.exp(products)


def gauss_seidel(points, scale):
    K = gram(points, "exponential", scale)
    L = np.tril(K)
    return solve_triangular(L, L - K, lower=True)


def test_all_kinds_are_tried() -> None:
    assert set(SETTINGS) == {kind for kind in locations("measurements") if kind[:4] == "ckd_"}


@pytest.mark.parametrize("kind", SETTINGS)
def test_rows_follow_the_schema_and_none_is_given_twice(kind, tmp_path) -> None:
    write(measured(kind, **SETTINGS[kind]), tmp_path / "rows.parquet", {})


@pytest.mark.parametrize("kind", SETTINGS)
def test_another_seed_changes_no_other(kind) -> None:
    few, more = (measured(kind, seeds, **SETTINGS[kind]) for seeds in (2, 4))
    keys = ["method", "metric", "iterate", "position", "seed"]
    few, more = (rows.sort_values(keys).reset_index(drop=True) for rows in (few, more))
    more = more[more["seed"] < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(few[keys], more[keys])
    # The last digits of a batched product may depend on the size of the batch.
    np.testing.assert_allclose(few["value"], more["value"], rtol=1e-6, atol=1e-12)


def test_an_attention_listed_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"exponential_beta_2\.3: given twice"):
        measured("ckd_stability", attentions=(SHARP, SHARP), dynamics=CYCLE)


@pytest.mark.parametrize(
    ("kind", "field", "values"),
    [
        ("ckd_descent", "steps", [0.3, 1, 0.3]),
        ("ckd_stability", "steps", [2.0, 2]),
        ("ckd_stability", "bounds", [0.5, 0.50000001]),
        ("ckd_stability", "halvings", [3, 3]),
        ("ckd_periodic", "dims", [5, 5]),
        ("ckd_periodic", "taus", [4, 8, 4]),
        ("ckd_linear_law", "dims", [5, 7, 5]),
    ],
)
def test_a_number_listed_twice_is_refused(kind, field, values) -> None:
    with pytest.raises(ValidationError, match=f"(?s){field}.*given twice"):
        measured(kind, **SETTINGS[kind] | {field: values})


def test_one_pass_of_kaczmarz_is_a_triangular_solve() -> None:
    prompts = prompts_of(Haar(kind="haar", dim=7), NAMES, 4, 30)
    K = gram(prompts.inputs, "exponential", 2.3)
    found = kaczmarz_pass(torch.from_numpy(K), torch.from_numpy(prompts.outputs)).numpy()
    for seed in range(4):
        solved = solve_triangular(np.tril(K[seed]), prompts.outputs[seed], lower=True)
        np.testing.assert_allclose(found[seed], np.tril(K[seed], -1) @ solved, atol=1e-12)


def test_transformer_recursion_limit_and_kaczmarz_agree() -> None:
    rows = measured("ckd_agreement", 8, dynamics={"kind": "haar", "dim": 7}, length=30)
    assert set(rows.loc[rows["metric"] == "transformer_gap", "method"]) == {
        "linear_beta_1",
        "exponential_beta_2.3",
        "softmax_beta_1",
    }
    assert (values(rows, "transformer_gap") < 1e-12).all()
    assert (values(rows, "kaczmarz_gap") < 1e-10).all()
    assert (values(rows, "nilpotent_gap_relative") < 1e-12).all()
    assert (values(rows, "truncated_gap", iterate=1) > 1e-2).all()


def exact_nilpotent_gap(x, y) -> float:
    """The recursion with step 1/kappa and the limit in 60 digits: their largest difference."""
    time = len(x)
    with localcontext() as context:
        context.prec = 60
        x, y = (np.array([[Decimal(v) for v in row] for row in a], dtype=object) for a in (x, y))
        K = x @ x.T
        residual, coefficients = y.copy(), np.full(y.shape, Decimal(0))
        for _ in range(time):
            update = residual / np.diag(K)[:, None]
            coefficients = coefficients + update
            residual = residual - np.array(
                [K[t, : t + 1] @ update[: t + 1] for t in range(time)], dtype=object
            )
        solved = np.full(y.shape, Decimal(0))
        gap = Decimal(0)
        for t in range(time):
            limit = K[t, :t] @ solved[:t] if t else solved[0]
            found = K[t, :t] @ coefficients[:t] if t else solved[0]
            gap = max(gap, *abs(found - limit))
            solved[t] = (y[t] - limit) / K[t, t]
        return float(gap)


def test_nilpotent_steps_lose_digits_in_float64_alone() -> None:
    # E3. The sequence whose float64 predictions are furthest from the limit after 40 layers.
    rows = measured("ckd_agreement", 24, [LINEAR], dynamics=ORBIT, depths=[40])
    gaps = values(rows, "nilpotent_gap")
    assert gaps.max() > 1e-10
    assert np.median(gaps) < 1e-10
    prompts = prompts_of(Haar(kind="haar", dim=5), NAMES, 24, 40)
    worst = int(gaps.argmax())
    assert exact_nilpotent_gap(prompts.inputs[worst], prompts.outputs[worst]) < 1e-30


def test_steps_around_two_over_kappa() -> None:
    rows = measured("ckd_stability", 4, dynamics=CYCLE, length=9)
    prompts = prompts_of(Periodic(**CYCLE), NAMES, 4, 9)
    for attention, K in (
        ("linear_beta_1", gram(prompts.inputs, "linear", 1)),
        ("exponential_beta_2.3", gram(prompts.inputs, "exponential", 2.3)),
    ):
        for step in (1.99, 2.01):
            radius = values(rows, "spectral_radius", f"{attention}_step_{step}")
            assert ((radius < 1) == (step < 2)).all()
            assert radius == pytest.approx(abs(1 - step))
            for seed in range(4):
                A = np.eye(9) - step / K[seed, 0, 0] * np.tril(K[seed])
                # Gelfand's formula, on the norm of a high power.
                power = np.linalg.norm(np.linalg.matrix_power(A, 2**14), 2)
                assert power ** (2.0**-14) == pytest.approx(radius[seed], abs=5e-3)
                assert (power < 1) == (step < 2)
    for method in ("linear_beta_1", "exponential_beta_2.3"):
        for seed, value in enumerate(values(rows, "operator_norm", f"{method}_step_0.3")):
            kind, _, scale = method.partition("_beta_")
            K = gram(prompts.inputs[seed], kind, float(scale))
            A = np.eye(9) - 0.3 / K[0, 0] * np.tril(K)
            assert value == pytest.approx(svdvals(A)[0])
        assert (values(rows, "operator_norm", f"{method}_bound_0.99") < 1).all()
        assert (values(rows, "symmetric_part", method) > 0.5 - 1e-12).all()
        assert (values(rows, "operator_norm", f"{method}_step_1") > 1).all()


def softmax_weights(x, strict):
    scores = np.exp(x @ x.T)
    weights = np.tril(scores, -1 if strict else 0)
    sums = weights.sum(1, keepdims=True)
    return np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)


@pytest.mark.parametrize("name", ["exponential_beta_2.3", "linear_beta_1", "softmax_beta_1"])
def test_the_flow_is_that_of_its_differential_equation(name) -> None:
    rows = measured("ckd_stability", 2, dynamics=CYCLE, length=8, time=0.7, doublings=5)
    prompts = prompts_of(Periodic(**CYCLE), NAMES, 2, 8)
    kind, _, scale = name.partition("_beta_")
    times = 2.0 ** np.arange(5) / 16
    for seed in range(2):
        x, y = prompts.inputs[seed], prompts.outputs[seed]
        if kind == "softmax":
            kappa, L, A = 1.0, softmax_weights(x, False), softmax_weights(x, True)
        else:
            K = gram(x, kind, float(scale))
            kappa, L, A = K[0, 0], np.tril(K), np.tril(K, -1)

        def slope(_, state, L=L, A=A, kappa=kappa):
            residual = state[:56].reshape(8, 7)
            return np.concatenate([-(L @ residual).ravel(), (A @ residual).ravel()]) / kappa

        start = np.concatenate([y.ravel(), np.zeros(56)])
        flow = solve_ivp(slope, (0, times[-1]), start, t_eval=times, rtol=1e-11, atol=1e-12).y
        mine = rows[(rows["seed"] == seed) & (rows["method"] == name)].sort_values("iterate")
        of_metric = dict(tuple(mine.groupby("metric")["value"]))
        expected = np.linalg.norm(flow[:56], axis=0) * np.exp(times / 2) / np.linalg.norm(y)
        np.testing.assert_allclose(of_metric["flow_excess"], expected, rtol=1e-7)
        limit = A @ solve_triangular(L, y, lower=True)
        gaps = np.linalg.norm(flow[56:].T.reshape(5, 8, 7) - limit, axis=-1).max(-1)
        np.testing.assert_allclose(of_metric["flow_limit_gap"], gaps, rtol=1e-7)
        steps = of_metric["flow_distance"].to_numpy()
        np.testing.assert_allclose(steps[:-1] / steps[1:], 2, rtol=0.05)
        if kind != "softmax":
            assert (of_metric["flow_excess"] < 1).all()


def test_the_flow_ends_at_the_limit() -> None:
    rows = measured("ckd_stability", 3, dynamics=CYCLE, length=12)
    last = rows[rows["metric"] == "flow_limit_gap"].groupby("method")["value"].last()
    assert len(last) == 3
    assert (last < 1e-12).all()


def test_errors_are_those_of_the_recursion_written_out() -> None:
    rows = measured("ckd_descent", 2, steps=[0.6], **SETTINGS["ckd_descent"])
    prompts = prompts_of(Periodic(**CYCLE), NAMES, 2, 12)
    assert set(rows["position"].dropna()) == {0, 2, 11}
    for seed in range(2):
        x, y = prompts.inputs[seed], prompts.outputs[seed]
        K = np.exp(2.3 * x @ x.T)
        limit = np.tril(K, -1) @ solve_triangular(np.tril(K), y, lower=True)
        U, R = np.zeros_like(y), y.copy()
        for depth in range(8):
            if depth in (0, 1, 3, 7):
                method = "exponential_beta_2.3_step_0.6"
                for t in (0, 2, 11):
                    at = {"iterate": depth, "position": t}
                    error = values(rows, "error", method, **at)[seed]
                    assert error == pytest.approx(np.linalg.norm(U[t] - y[t]), abs=1e-12)
                far = values(rows, "limit_distance", method, iterate=depth)[seed]
                assert far == pytest.approx(np.linalg.norm(U - limit, axis=-1).max())
                early, late = (
                    np.linalg.norm(U - y, axis=-1)[a:b].mean() for a, b in ((1, 4), (9, 12))
                )
                learning = values(rows, "learning_ratio", method, iterate=depth)[seed]
                assert learning == pytest.approx(late / early)
            U = U + 0.6 * np.exp(-2.3) * np.tril(K, -1) @ R
            R = R - 0.6 * np.exp(-2.3) * np.tril(K) @ R
        found = values(rows, "error", "exponential_beta_2.3_limit", position=11)[seed]
        assert found == pytest.approx(np.linalg.norm(limit[11] - y[11]), abs=1e-12)


def test_an_iterate_that_overflows_is_called_diverged_and_the_limit_is_not() -> None:
    rows = measured(
        "ckd_descent", 2, [LINEAR], dynamics=ORBIT, length=20, steps=[3.0], depths=[1, 2000]
    )
    deep = rows[(rows["iterate"] == 2000) & (rows["position"] == 10)]
    assert set(deep["status"]) == {"diverged"}
    assert set(rows[rows["iterate"] < 2000]["status"]) == {"ok"}


def test_windows_beyond_the_prompt_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected first <= last < length = 20"):
        measured("ckd_descent", dynamics=ORBIT, length=20, windows=[[1, 2], [15, 20]])


def test_a_sequence_at_rest_has_no_learning_ratio() -> None:
    # On the line x, x, … and x, -x, … are linear, and known from the first pair on.
    rows = measured(
        "ckd_descent",
        2,
        [LINEAR],
        dynamics={"kind": "rotation", "dim": 1, "strength": 0.0},
        length=12,
        steps=[],
        windows=[[3, 5], [8, 11]],
    )
    assert (values(rows, "error_early") == 0).all()
    assert "learning_ratio" not in set(rows["metric"])


def test_the_transient_is_as_the_notes_have_it() -> None:
    # One sequence of d = 5, T = 40: its values lie among those of many. They are largest
    # coordinates, ours norms, up to sqrt(5) times as large.
    rows = measured(
        "ckd_descent", 48, [LINEAR], dynamics=ORBIT, length=40, depths=[5, 20, 50, 100, 300]
    )
    noted = {
        (1, 5): 8.7e2,
        (1, 20): 0.46,
        (0.3, 50): 2.2e-4,
        (0.3, 100): 4e-8,
        (0.1, 100): 1.4e-3,
        (0.1, 300): 3.6e-8,
    }
    for (step, depth), value in noted.items():
        found = values(rows, "limit_distance", f"linear_beta_1_step_{step}", iterate=depth)
        low, high = np.quantile(found, [0.02, 0.98])
        assert low / 5**0.5 < value < high, (step, depth)


def test_fixed_depth_fails_for_long_prompts() -> None:
    rows = measured(
        "ckd_descent",
        32,
        [LINEAR],
        dynamics=ORBIT,
        length=41,
        steps=[1.0],
        depths=[1],
        positions=[5, 40],
    )
    early, late = (values(rows, "error", "linear_beta_1_step_1", position=t) for t in (5, 40))
    assert np.exp(np.log(late / early).mean()) == pytest.approx(14, rel=0.25)


def test_orthogonal_dynamics_obey_their_law() -> None:
    rows = measured("ckd_linear_law", 6, dims=[3, 6], length=80)
    assert (values(rows, "law_gap") < 1e-12).all()
    for dim in (3, 6):
        prompts = prompts_of(Haar(kind="haar", dim=dim), (*NAMES, str(dim)), 6, 80)
        x, y = prompts.inputs, prompts.outputs
        for seed, last in enumerate(values(rows, "last_error", f"dim_{dim}")):
            W = np.zeros((dim, dim))
            for t in range(79):
                W += np.outer(y[seed, t] - W @ x[seed, t], x[seed, t])
            assert last == pytest.approx(np.linalg.norm(W @ x[seed, 79] - y[seed, 79]), abs=1e-12)
            P = np.eye(dim) - np.outer(x[seed, 0], x[seed, 0])
            rho = np.abs(eigvals(P @ prompts.truth["W"][seed])).max()
            assert values(rows, "rate_predicted", f"dim_{dim}")[seed] == pytest.approx(rho)


def test_rates_of_haar_matrices_have_their_law() -> None:
    rows = measured("ckd_linear_law", 600, dims=[5], length=200)
    rng = np.random.default_rng(1)
    Q, R = np.linalg.qr(rng.standard_normal((5000, 5, 5)))
    Omega = Q * np.sign(np.einsum("nii->ni", R))[:, None]
    # By invariance x_1 may be the first unit vector: M is then Omega without its first row.
    Omega[:, 0] = 0
    rho = np.abs(np.linalg.eigvals(Omega)).max(-1)
    levels = [0.05, 0.5, 0.95]
    found = np.quantile(values(rows, "rate_predicted"), levels)
    np.testing.assert_allclose(found, np.quantile(rho, levels), atol=0.03)
    # Rates near 1 agree whatever their decays do; those that are settled agree in these as well.
    settled = values(rows, "decay_deviation_settled")
    assert 200 < len(settled) < 600
    assert settled.mean() < 0.02
    assert values(rows, "decay_deviation").max() > 1


def test_deviations_are_those_of_logarithms() -> None:
    rows = measured("ckd_linear_law", 24, dims=[6], length=80, settled=3.0)
    found = rows.pivot(index="seed", columns="metric", values="value")
    decay, predicted = -np.log(found["rate"]), -np.log(found["rate_predicted"])
    np.testing.assert_allclose(found["decay_deviation"], abs(decay / predicted - 1), rtol=1e-6)
    settled = found["decay_deviation"].where(80 * predicted >= 3)
    assert 0 < settled.notna().sum() < 24
    np.testing.assert_array_equal(found["decay_deviation_settled"], settled)


def test_periodic_errors_obey_gauss_seidel() -> None:
    rows = measured("ckd_periodic", 5, [SHARP], **SETTINGS["ckd_periodic"])
    assert (values(rows, "law_gap") < 1e-12).all()
    prompts = prompts_of(Periodic(**CYCLE), (*NAMES, "7", "5"), 5, 70)
    for seed, rho in enumerate(values(rows, "rate_predicted")):
        K = gram(prompts.truth["points"][seed], "exponential", 2.3)
        moduli = np.sort(np.abs(eigvals(np.tril(K) - K, np.tril(K))))
        assert rho == pytest.approx(moduli[-1])
        assert values(rows, "gap_ratio")[seed] == pytest.approx(moduli[-2] / moduli[-1])


def test_ratios_that_miss_the_radius_are_those_of_the_matrix() -> None:
    # E7 and E9, by powers of the Gauss-Seidel matrix alone.
    rows = measured("ckd_periodic", 40, [{"kind": "exponential"}], dims=[5], taus=[4])
    points = prompts_of(Periodic(kind="periodic", dim=5, period=4), (*NAMES, "5", "4"), 40, 4)
    separated = values(rows, "rate_deviation_separated")
    assert len(separated) >= 3
    assert (separated < 0.02).all()
    deviation = rows[rows["metric"] == "rate_deviation"].set_index("seed")["value"]
    assert deviation.max() > 0.02
    seed = int(str(deviation.idxmax()))
    predicted, measured_rate, gap = (
        rows[(rows["metric"] == metric) & (rows["seed"] == seed)]["value"].item()
        for metric in ("rate_predicted", "rate", "gap_ratio")
    )
    assert gap**10 > 0.02
    errors = rows[(rows["metric"] == "error") & (rows["seed"] == seed)].sort_values("iterate")
    G = gauss_seidel(points.truth["points"][seed], 1.0)
    e = first = first_period(points.truth["points"][seed], 1.0)
    for value in errors["value"]:
        assert value == pytest.approx(np.linalg.norm(e, axis=-1).max(), rel=1e-4, abs=1e-13)
        e = G @ e
    # The cycle whose error is largest after 30 periods: by the 29th power, not step by step.
    late = rows[(rows["metric"] == "error") & (rows["iterate"] == 30)].set_index("seed")["value"]
    slow = int(str(late.idxmax()))
    assert late[slow] > 1e-10
    cycle = points.truth["points"][slow]
    power = np.linalg.matrix_power(gauss_seidel(cycle, 1.0), 29)
    expected = np.linalg.norm(power @ first_period(cycle, 1.0), axis=-1).max()
    assert late[slow] == pytest.approx(expected, rel=1e-6)
    # Many periods on, the mean ratio is the spectral radius after all.
    e, log = first, []
    for _ in range(3000):
        e = G @ e
        norm = np.linalg.norm(e, axis=-1).max()
        log.append(np.log(norm))
        e = e / norm
    assert np.exp(np.mean(log[1000:])) == pytest.approx(predicted, rel=2e-3)
    assert abs(measured_rate / predicted - 1) > 0.02


def first_period(points, scale):
    """Errors of the first period: of the values of f, pair by pair."""
    tau = len(points)
    K = gram(points, "exponential", scale)
    targets, f = np.roll(points, -1, axis=0), np.zeros_like(points)
    errors = np.zeros_like(points)
    for i in range(tau):
        errors[i] = targets[i] - f[i]
        f += np.outer(K[:, i] / K[i, i], errors[i])
    return errors


def test_softmax_falls_like_one_over_the_period_and_kernels_faster() -> None:
    attentions = [{"kind": "exponential", "scale": 4}, {"kind": "softmax", "scale": 4}, LINEAR]
    rows = measured("ckd_periodic", 24, attentions, dims=[5], taus=[4, 8])
    late = rows[(rows["metric"] == "error") & (rows["iterate"] >= 10)]
    soft = late[late["method"] == "softmax_beta_4_tau_4_dim_5"]
    table = soft.pivot(index="iterate", columns="seed", values="value")
    slopes = np.polyfit(np.log(table.index), np.log(table), 1)[0]
    assert slopes.mean() == pytest.approx(-1.05, abs=0.05)
    exponential = values(rows, "error", "exponential_beta_4_tau_4_dim_5", iterate=30)
    assert (
        exponential < 1e-3 * values(rows, "error", "softmax_beta_4_tau_4_dim_5", iterate=30)
    ).all()
    # More points than dimensions: no linear map fits them.
    assert (values(rows, "error", "linear_beta_1_tau_8_dim_5", iterate=30) > 0.1).all()
    rho = values(rows, "rate_predicted", "linear_beta_1_tau_8_dim_5")
    assert rho == pytest.approx(1)


def test_the_exponential_kernel_learns_a_perturbed_rotation_and_the_linear_one_stalls() -> None:
    rows = measured(
        "ckd_descent",
        24,
        [LINEAR, {"kind": "exponential"}, {"kind": "exponential", "scale": 4}],
        dynamics={"kind": "rotation", "dim": 5},
        length=200,
        steps=[],
        windows=[[10, 20], [190, 199]],
    )
    linear = values(rows, "error_late", "linear_beta_1_limit")
    for beta in (1, 4):
        method = f"exponential_beta_{beta}_limit"
        early, late = (values(rows, f"error_{when}", method) for when in ("early", "late"))
        assert late.mean() < 0.5 * early.mean()
        assert late.mean() < 0.5 * linear.mean()
        assert 0.1 < early.mean() < 0.7
        assert late.mean() < 0.1


def test_rates_are_fitted_above_rounding_and_where_there_are_enough_errors() -> None:
    steps = np.arange(60)
    errors = np.stack([0.9**steps, 0.5**steps, np.full(60, 1e-13), 0.9**steps * 1e-12])
    rates = decay_rate(errors, first=5)
    assert rates[:2] == pytest.approx([0.9, 0.5])
    assert np.isnan(rates[2:]).all()
    assert decay_rate(errors[:1])[0] == pytest.approx(0.9)


def test_names_tell_kinds_and_scales_apart() -> None:
    from iclbench.attention.exponential import Exponential
    from iclbench.attention.linear import Linear

    assert name_of(Exponential(kind="exponential", scale=2.5)) == "exponential_beta_2.5"
    assert name_of(Linear(kind="linear")) == "linear_beta_1"
    inverse = Exponential(kind="exponential", scale="inverse_sqrt")
    assert name_of(inverse) == "exponential_beta_inverse_sqrt"

"""The penalty of least leave-one-out error, against scikit-learn and against leaving pairs out."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import ortho_group
from sklearn.linear_model import RidgeCV

from iclbench.solvers.cross_validated_ridge import CrossValidatedRidge
from iclbench.solvers.ridge import Ridge

WIDE = tuple(10.0**exponent for exponent in range(-12, 13, 2))
SHIPPED = CrossValidatedRidge(kind="cross_validated_ridge")


def solver(penalties=SHIPPED.penalties):
    return CrossValidatedRidge(kind="cross_validated_ridge", penalties=penalties)


def regression(seed, *, batch=4, time=14, p=5, q=1, noise=0.5, condition=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, time, p)) * np.linspace(1, condition**0.5, p)
    y = x @ rng.normal(size=(batch, p, q)) + noise * rng.normal(size=(batch, time, q))
    return torch.from_numpy(x), torch.from_numpy(y)


CASES = {
    "as shipped": ({}, SHIPPED.penalties),
    "several outputs": ({"q": 3}, SHIPPED.penalties),
    "spread penalties": ({"q": 2}, WIDE),
    "one dimension": ({"p": 1}, SHIPPED.penalties),
    "one dimension, spread penalties": ({"p": 1, "q": 2}, WIDE),
    "shorter than the dimension": ({"p": 20, "q": 2}, SHIPPED.penalties),
    "shorter, spread penalties": ({"p": 20}, WIDE),
    "no noise": ({"noise": 0.0}, SHIPPED.penalties),
    "much noise": ({"noise": 5.0, "q": 4}, SHIPPED.penalties),
    "ill-conditioned": ({"condition": 1e4}, SHIPPED.penalties),
    "one pair": ({"time": 2}, SHIPPED.penalties),
    "no pair": ({"time": 1}, SHIPPED.penalties),
    "one penalty": ({}, (0.3,)),
}


@pytest.mark.parametrize(("shape", "penalties"), CASES.values(), ids=CASES)
def test_scikit_learn_chooses_and_predicts_the_same(shape, penalties):
    x, y = regression(sum(map(ord, str(shape))), **shape)
    method = solver(penalties)
    found = method.predict(x, y)[0]
    decided = 0
    for t in range(1, x.shape[1]):
        fit = method.fit(x[:, :t], y[:, :t])
        for b in range(len(x)):
            pairs = x[b, :t].numpy(), y[b, :t].numpy()
            theirs = RidgeCV(alphas=list(penalties), fit_intercept=False, store_cv_results=True)
            theirs.fit(*pairs)
            scores = theirs.cv_results_.reshape(-1, len(penalties)).mean(0)
            np.testing.assert_allclose(fit.scores[b], scores, rtol=1e-7)
            equal = np.array(penalties)[scores <= scores.min() * (1 + 1e-11)]
            if len(equal) > 1:
                assert fit.penalty[b].item() in equal
                theirs = RidgeCV(alphas=[fit.penalty[b].item()], fit_intercept=False).fit(*pairs)
            else:
                decided += 1
                assert fit.penalty[b] == pytest.approx(theirs.alpha_, rel=1e-12)
            wanted = theirs.predict(x[b, t, None].numpy()).reshape(-1)
            np.testing.assert_allclose(found[b, t], wanted, rtol=1e-6, atol=1e-9)
    # After one pair all scores are equal.
    assert decided >= 0.5 * len(x) * (x.shape[1] - 2)


@pytest.mark.parametrize("p", [2, 6])
def test_scores_are_errors_of_fits_to_the_other_pairs(p):
    penalties = (1e-3, 0.1, 10.0)
    x, y = regression(1, time=8, p=p, q=2)
    fit = solver(penalties).fit(x, y)
    for column, penalty in enumerate(penalties):
        ridge = Ridge(kind="ridge", penalty=penalty)
        errors = []
        for out in range(8):
            order = [*(i for i in range(8) if i != out), out]
            errors.append(ridge.predict(x[:, order], y[:, order])[0, :, -1] - y[:, out])
        wanted = torch.stack(errors).square().mean((0, 2))
        torch.testing.assert_close(fit.scores[:, column], wanted, rtol=1e-8, atol=0)


def test_predictions_are_those_of_ridge_under_the_penalty_chosen():
    x, y = regression(2, q=2)
    found = SHIPPED.predict(x, y)[0]
    fit = SHIPPED.fit(x[:, :-1], y[:, :-1])
    for b, penalty in enumerate(fit.penalty):
        ridge = Ridge(kind="ridge", penalty=penalty.item())
        wanted = ridge.predict(x[b, None], y[b, None])[0, 0, -1]
        torch.testing.assert_close(found[b, -1], wanted)


@pytest.mark.parametrize("time", [4, 11])
def test_scores_keep_their_digits_where_nothing_is_left_to_leave_out(time):
    """Leverages within 1e-12 of 1: the first pair alone has a component along its input, and the
    others repeat three inputs or fewer. Compared with fifty digits.
    """
    rng = np.random.default_rng(3)
    rotation = ortho_group.rvs(6, random_state=rng)
    kinds = [0, *(1 + np.arange(time - 1) % 3)]
    x = (np.diag([3.0, 1.0, 2.0, 0.5, 0, 0]) @ rotation)[kinds]
    y = rng.normal(size=(time, 2))
    found = solver(WIDE).fit(torch.from_numpy(x)[None], torch.from_numpy(y)[None]).scores[0]
    with mpmath.workdps(50):
        X, Y = mpmath.matrix(x), mpmath.matrix(y)
        for column, penalty in enumerate(WIDE):
            G = (X * X.T + mpmath.mpf(penalty) * mpmath.eye(time)) ** -1
            c = G * Y
            errors = [c[i, j] / G[i, i] for i in range(time) for j in range(2)]
            wanted = float(sum(error**2 for error in errors) / len(errors))
            assert found[column] == pytest.approx(wanted, rel=1e-8)


def test_orthogonal_inputs_teach_nothing_of_each_other_and_the_least_penalty_is_taken():
    rng = np.random.default_rng(4)
    x = torch.from_numpy(np.stack([ortho_group.rvs(6, random_state=rng) for _ in range(20)]))
    y = torch.from_numpy(rng.normal(size=(20, 6, 2)))
    for pairs in (1, 3, 6):
        fit = SHIPPED.fit(x[:, :pairs], y[:, :pairs])
        wanted = y[:, :pairs].square().mean((1, 2))[:, None].expand(-1, 22)
        torch.testing.assert_close(fit.scores, wanted, rtol=1e-12, atol=0)
        assert (fit.penalty == SHIPPED.penalties[0]).all()


def test_the_order_of_pairs_and_rotations_do_not_matter():
    x, y = regression(5, q=2)
    rng = np.random.default_rng(5)
    U = torch.from_numpy(ortho_group.rvs(5, random_state=rng))
    V = torch.from_numpy(ortho_group.rvs(2, random_state=rng))
    order = rng.permutation(14)
    fit, turned = SHIPPED.fit(x, y), SHIPPED.fit(x[:, order] @ U, y[:, order] @ V)
    torch.testing.assert_close(turned.penalty, fit.penalty)
    torch.testing.assert_close(turned.weights, U.mT @ fit.weights @ V)


def test_the_penalty_scales_with_the_square_of_the_inputs():
    x, y = regression(6)
    fit = SHIPPED.fit(x, y)
    scaled = solver(tuple(100 * penalty for penalty in SHIPPED.penalties)).fit(10 * x, 3 * y)
    torch.testing.assert_close(scaled.penalty, 100 * fit.penalty)
    torch.testing.assert_close(scaled.scores, 9 * fit.scores)


def test_noise_raises_the_penalty():
    """With w ~ N(0, I) the best penalty is the variance of the noise."""
    medians = [
        SHIPPED.fit(*regression(7, batch=200, time=60, noise=noise)).penalty.median()
        for noise in (0.3, 3.0)
    ]
    assert 0.01 < medians[0] < 1 < medians[1] < 100


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", ["inputs", "outputs"])
def test_numbers_that_are_not_finite_stay_in_their_prompt_and_after_their_pair(bad, where):
    x, y = regression(8, q=2)
    clean = SHIPPED.predict(x, y)
    (x if where == "inputs" else y)[1, 5, 0] = bad
    found = SHIPPED.predict(x, y)
    assert found[0, 1, 6:].isnan().all()
    assert torch.equal(found[0, 1, :5], clean[0, 1, :5])
    rest = [0, 2, 3]
    assert torch.equal(found[:, rest], clean[:, rest])


def test_repeated_and_vanishing_pairs_are_no_obstacle():
    x, y = regression(9, time=6)
    x[:, 1], x[:, 2], x[:, 4] = x[:, 0], 0.0, x[:, 3]
    found = SHIPPED.predict(x, y)
    assert found.isfinite().all()
    zero = torch.zeros_like
    assert (SHIPPED.predict(zero(x), y) == 0).all()
    assert (SHIPPED.predict(x, zero(y)) == 0).all()


def test_the_future_is_not_seen_and_prompts_in_parts_are_the_same():
    x, y = regression(10, batch=300, time=13, q=3)
    together = SHIPPED.predict(x, y)
    alone = torch.cat([SHIPPED.predict(x[b, None], y[b, None]) for b in range(0, 300, 60)], dim=1)
    torch.testing.assert_close(together[:, ::60], alone, rtol=1e-10, atol=1e-11)
    x[:, 7:], y[:, 6:] = 1e3, -1e3
    assert torch.equal(SHIPPED.predict(x, y)[:, :, :7], together[:, :, :7])


def test_single_precision_only_rounds_the_result():
    x, y = (tensor.float() for tensor in regression(11))
    single, double = SHIPPED.predict(x, y), SHIPPED.predict(x.double(), y.double())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, double.float())


def test_the_grid_has_three_penalties_a_decade():
    np.testing.assert_allclose(SHIPPED.penalties, np.logspace(-4, 3, 22), rtol=1e-14)


@pytest.mark.parametrize("penalties", [(), (0.0, 1.0), (1.0, 0.1), (1.0, 1.0), (1e13,)])
def test_a_grid_is_positive_and_ascends(penalties):
    with pytest.raises(ValidationError, match="penalties"):
        solver(penalties)

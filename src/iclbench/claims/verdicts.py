"""What the rows say of a claim: supported, refuted, inconclusive or not run, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from iclbench.claims.claim import Claim
from iclbench.claims.numbers import interval, listed, number
from iclbench.claims.selection import LackingError, select
from iclbench.claims.statistics import (
    Effect,
    Sample,
    UndefinedError,
    effect_of,
    is_logarithmic,
    level_of,
    samples,
)
from iclbench.files import JobError
from iclbench.measures.intervals import half_width

Word = Literal["supported", "refuted", "inconclusive", "not run"]

MOST_SEEDS = 1_000
"""More seeds than this are no advice."""


@dataclass(frozen=True)
class Verdict:
    """What the rows say of a claim.

    Attributes:
        word: Supported, refuted, inconclusive or not run.
        reason: One sentence; of an inconclusive claim, it ends with what would decide it.
        effect: What was judged; None where nothing could be computed.
    """

    word: Word
    reason: str
    effect: Effect | None = None


def decide(claim: Claim, rows: pd.DataFrame, scale: str, name: str = "this claim") -> Verdict:
    """Judge a claim by rows.

    It is supported if the whole interval satisfies the criterion and refuted if none of it does.
    Where every seed counts, one that violates the criterion refutes, and a seed that diverged
    violates any that has an upper bound. Of an ordering or a monotone course all steps must be
    supported, and one refutes; as the worst of k steps is picked, its interval must then lie
    outside at the level 1 - 0.05 / k.

    Args:
        claim: The claim.
        rows: All rows of its evidence.
        scale: The scale of the run.
        name: How messages call the claim.

    Raises:
        JobError: If the rows do not fit together.
    """
    if scale not in claim.scales:
        return Verdict("not run", f"It is decided at scale {' or '.join(claim.scales)}.")
    try:
        found = samples(claim, rows)
    except LackingError as lack:
        return Verdict("not run", _sentence(str(lack)))
    except UndefinedError as error:
        return Verdict("inconclusive", _sentence(str(error)))
    except JobError as error:
        raise JobError(f"{name}: {error}") from error
    judge = _judge_every if claim.statistic.over == "every" else _judge_mean
    verdicts = [judge(claim, sample, len(found)) for sample in found]
    return _on_prompts(_weakest(claim, verdicts), claim, rows)


def _on_prompts(verdict: Verdict, claim: Claim, rows: pd.DataFrame) -> Verdict:
    """Say of an interval over seeds that are all evaluated on the same prompts that they are."""
    about = select(rows, claim.where | claim.statistic.sides[0])
    prompts = max(about.loc[about["study"] != "training", "n"], default=0)
    if verdict.effect is None or prompts <= 1 or verdict.effect.interval == "none":
        return verdict
    words = f"{verdict.effect.interval}, on the same {prompts} prompts"
    return replace(verdict, effect=replace(verdict.effect, interval=words))


def _judge_every(claim: Claim, sample: Sample, _: int) -> Verdict:
    region, effect = claim.region, effect_of(sample, claim)
    values = {int(str(seed)): float(value) for seed, value in sample.by_seed.dropna().items()}
    bad = [seed for seed, value in values.items() if not region.holds(value)]
    nearest = min(values, key=lambda seed: _slack(claim, values[seed]), default=None)
    of_what = f"{sample.what}: " if sample.what else ""
    said = []
    if bad and nearest is not None:
        count = f"{len(bad)} of {effect.seeds}" if effect.seeds > 1 else "the only"
        verb = "are" if len(bad) > 1 else "is"
        said.append(
            f"{count} {_seeds(effect.seeds)} {verb} not {region.words}; seed {nearest} gives "
            f"{number(values[nearest])}"
        )
    if sample.diverged:
        said.append(_diverged(sample))
    if sample.diverged and not bad and math.isinf(region.bounds[1]):
        reason = f"{of_what}{said[0]}, on which side of the bound is not known"
        return Verdict("inconclusive", _sentence(reason), effect)
    if said or nearest is None:
        return Verdict("refuted", _sentence(of_what + "; ".join(said)), effect)
    if effect.seeds == 1:
        reason = f"{of_what}the value of the only seed, {number(effect.value)}, is {region.words}"
    else:
        reason = (
            f"{of_what}all {effect.seeds} seeds are {region.words}, the nearest to the bound at "
            f"{number(values[nearest])}"
        )
    return Verdict("supported", _sentence(reason), effect)


def _judge_mean(claim: Claim, sample: Sample, tests: int) -> Verdict:
    region, effect = claim.region, effect_of(sample, claim)
    of_what = f"{sample.what}: " if sample.what else ""
    if sample.diverged:
        reason = f"{of_what}{_diverged(sample)}, so that there is no mean over seeds; "
        return Verdict(
            "inconclusive", _sentence(reason + "runs that converge would decide"), effect
        )
    if effect.seeds == 1:
        remedy = "more seeds, or where nothing is random over: every, would decide"
        reason = f"{of_what}one seed gives no interval; {remedy}"
        return Verdict("inconclusive", _sentence(reason), effect)
    ends = interval(effect.value, effect.low, effect.high)
    level = f"{100 * level_of(claim):.0f} %"
    reason = f"{of_what}{ends}, the {level} interval over {effect.seeds} seeds, "
    if region.holds(effect.low) and region.holds(effect.high):
        return Verdict("supported", _sentence(f"{reason}is {region.words}"), effect)
    wider = effect_of(sample, claim, tests=tests)
    if _is_outside(claim, wider):
        reason += f"is nowhere {region.words}"
        return Verdict("refuted", _sentence(reason), effect)
    if _is_outside(claim, effect):
        reason += f"is not {region.words}, but one of {tests} intervals may err so; "
    else:
        reason += f"is only in part {region.words}; "
    return Verdict("inconclusive", _sentence(reason + _advice(claim, sample, tests)), effect)


def _weakest(claim: Claim, verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a conjunction: the worst one, and of equals the least certain."""
    rank = {"refuted": 0, "inconclusive": 1, "supported": 2}

    def badness(verdict: Verdict) -> tuple[int, float]:
        effect = verdict.effect
        assert effect is not None
        ends = [_slack(claim, end) for end in (effect.low, effect.high, effect.value)]
        return rank[verdict.word], min(
            (end for end in ends if not math.isnan(end)), default=-math.inf
        )

    return min(verdicts, key=badness)


def _slack(claim: Claim, value: float) -> float:
    """Return how far inside the region a value lies, negative outside."""
    low, high = claim.region.bounds
    return min(value - low, high - value)


def _is_outside(claim: Claim, effect: Effect) -> bool:
    low, high = claim.region.bounds
    is_open = claim.region.below is not None or claim.region.above is not None
    if is_open:
        return effect.high <= low or effect.low >= high
    return effect.high < low or effect.low > high


def _advice(claim: Claim, sample: Sample, tests: int) -> str:
    """Say how many seeds would bring the interval to one side, if mean and spread stay."""
    values, bounds = sample.by_seed.to_numpy(dtype=float), np.array(claim.region.bounds)
    if is_logarithmic(claim):
        values = np.log(values)
        bounds = np.log(np.maximum(bounds, 0), where=bounds > 0, out=np.full(2, -np.inf))
    mean, deviation = values.mean(), values.std(ddof=1)
    distance = float(np.abs(bounds - mean).min())
    is_inside = bool(bounds[0] <= mean <= bounds[1])
    level = level_of(claim)
    if not is_inside:
        level = 1 - (1 - level) / tests
    counts = np.arange(len(values) + 1, MOST_SEEDS + 1)
    enough = counts[half_width(np.full(len(counts), deviation), counts, level) < distance]
    if not len(enough):
        return f"not even {MOST_SEEDS} seeds would decide, a larger scale might"
    return f"about {_rounded(int(enough[0]))} seeds would decide, if mean and spread stay"


def _rounded(count: int) -> int:
    """Return a count with two significant digits, rounded up: it is an estimate."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def _diverged(sample: Sample) -> str:
    names = sample.diverged
    if len(names) == len(sample.by_seed):
        return "the run diverged" if len(names) == 1 else f"all {len(names)} seeds diverged"
    return f"{_seeds(len(names))} {listed(names)} diverged"


def _seeds(count: int) -> str:
    return "seeds" if count > 1 else "seed"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."

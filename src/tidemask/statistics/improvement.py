"""Probability of improvement: how often a run of an arm is better than one of the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from tidemask.statistics.estimate import CONFIDENCE
from tidemask.statistics.samples import Direction, Floats, Samples, has_spread, t_test

_DRAWS = 10_000
"""The ends of an interval are then sure to about 0.005."""


@dataclass(frozen=True, kw_only=True)
class Improvement:
    """How often a run of an arm is better than one of the baseline, whatever their seeds.

    Attributes:
        probability: as it was seen, in [0, 1]; 0.5 is a coin.
        low: lower end of its interval at `CONFIDENCE`; `None` with one seed, or if the seeds do not
            vary.
        high: its upper end.
    """

    probability: float
    low: float | None
    high: float | None


def improvement(
    arm: Mapping[int, float],
    baseline: Mapping[int, float],
    direction: Direction,
    *,
    draws_seed: int = 0,
) -> Improvement:
    """Finds how often a run of the arm is better than a run of the baseline, ties counting half.

    The probability is the share of all pairs of runs, whatever their seeds: the statistic of Mann
    and Whitney's test over the number of pairs. It says how often, not by how much.

    The interval assumes that values are normal, as the t-interval does. Then the probability is
    Phi(delta / scale), where delta is the expected difference and scale^2 the sum of both
    variances, and the interval has the quantiles of that under the delta and scale that the seeds
    allow: a generalized confidence interval. With three seeds a side the share is 1 as soon as the
    arms do not overlap, so no resampling of seeds can tell 0.8 from 1; how often this interval and
    the bootstrap hold the truth is measured in `benchmarks/statistics/coverage.py`. It is widened
    to hold the share that was seen.

    Args:
        arm: value by seed, at least one.
        baseline: the same.
        direction: whether lower or higher values are better.
        draws_seed: of the draws, which give the same numbers every time.

    References:
        Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, 2021,
        for the probability; here for one measure. Weerahandi, Generalized confidence intervals,
        1993, for the interval.

    Example:
        >>> from tidemask.statistics.improvement import improvement
        >>> found = improvement({0: 3.1, 1: 3.2, 2: 3.0}, {0: 3.2, 1: 3.4, 2: 3.3}, "lower")
        >>> round(found.probability, 2), round(found.low, 2), round(found.high, 2)
        (0.94, 0.45, 0.99)
    """
    sign = 1.0 if direction == "higher" else -1.0
    pairs = np.subtract.outer(list(arm.values()), list(baseline.values()))
    share = float((sign * np.sign(pairs).mean() + 1) / 2)
    samples = Samples.of(arm, baseline)
    ours, theirs = samples.values(arm, baseline)
    if not has_spread(samples, ours, theirs):
        return Improvement(probability=share, low=None, high=None)
    drawn = _paired if samples.paired else _independent
    effects = drawn(sign * ours, sign * theirs, np.random.default_rng(draws_seed))
    ends = special.ndtr(np.quantile(effects, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    low, high = min(float(ends[0]), share), max(float(ends[1]), share)
    return Improvement(probability=share, low=low, high=high)


def _paired(arm: Floats, baseline: Floats, rng: np.random.Generator) -> Floats:
    """Draws of delta / scale from pairs `[seeds]`.

    The variances of differences and of sums add up to twice scale^2, and the two are independent
    where both arms have the same variance.
    """
    of_difference, of_sum = (_variance(values, rng) for values in (arm - baseline, arm + baseline))
    error = np.sqrt(of_difference / len(arm))
    delta = (arm - baseline).mean() + error * rng.standard_normal(_DRAWS)
    return np.asarray(delta / np.sqrt((of_difference + of_sum) / 2))


def _variance(values: Floats, rng: np.random.Generator) -> Floats:
    """Draws of the variance of which these values are a normal sample."""
    df = len(values) - 1
    return np.asarray(values.var(ddof=1) * df / rng.chisquare(df, _DRAWS))


def _independent(arm: Floats, baseline: Floats, rng: np.random.Generator) -> Floats:
    """The same from samples `[seeds]` of other seeds, with the degrees of freedom of Welch."""
    samples = Samples.of(dict(enumerate(arm)), {-1 - i: value for i, value in enumerate(baseline)})
    df = float(t_test(samples, arm, baseline).df)
    variances = arm.var(ddof=1), baseline.var(ddof=1)
    error = np.sqrt(variances[0] / len(arm) + variances[1] / len(baseline))
    shrunk = (arm.mean() - baseline.mean()) * np.sqrt(rng.chisquare(df, _DRAWS) / df)
    return np.asarray((shrunk + error * rng.standard_normal(_DRAWS)) / np.sqrt(sum(variances)))

"""The difference of an arm to the baseline over seeds: its mean, interval and permutation test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tidemask.statistics.estimate import Estimate
from tidemask.statistics.samples import (
    Floats,
    Samples,
    differences,
    spread,
    t_estimate,
)

MAX_PERMUTATIONS = 1 << 16
"""Permutations that are all enumerated: the signs of 16 pairs. Of more, as many are drawn."""


@dataclass(frozen=True, kw_only=True)
class SeedDifference:
    """The differences of an arm to the baseline, arm minus baseline, in the unit of the measure.

    Attributes:
        mean: of the arm minus that of the baseline, over the compared seeds.
        by_seed: one for each seed of the arm, ascending. Where `paired`, to the same seed of the
            baseline, otherwise to the baseline's mean.
        paired: whether the seeds are the same; otherwise the test is Welch's.
        baseline_seeds: those of the baseline that are compared.
        left_out: seeds that only one of both has.
        spread: standard deviation of the differences where `paired`, else of an arm's run minus a
            baseline's; `None` with one seed.
        estimate: mean, t-interval and p; `None` with one seed, or if all seeds differ equally.
        permutation_p: two-sided p of exchanging arm and baseline: by sign flips of the differences
            where `paired`, otherwise by exchanging runs. All are enumerated up to
            `MAX_PERMUTATIONS`, and no distribution is assumed. `None` with one seed.
        min_permutation_p: the least p that so few seeds can give, such as 0.25 for three pairs.
    """

    mean: float
    by_seed: Mapping[int, float]
    paired: bool
    baseline_seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    spread: float | None
    estimate: Estimate | None
    permutation_p: float | None
    min_permutation_p: float | None


def seed_difference(
    arm: Mapping[int, float], baseline: Mapping[int, float], *, draws_seed: int = 0
) -> SeedDifference:
    """Compares an arm with the baseline over seeds, paired where they share them.

    The interval assumes that differences, or the values where not paired, are normal. How often it
    then covers the truth is measured in `tests/statistics/test_coverage.py`.

    Args:
        arm: value by seed, at least one.
        baseline: the same.
        draws_seed: of the permutations, where there are too many to enumerate.
    """
    samples = Samples.of(arm, baseline)
    ours, theirs = samples.values(arm, baseline)
    by_seed = differences(samples, ours, theirs)
    p, least = _permutation_p(samples, ours, theirs, draws_seed)
    return SeedDifference(
        mean=float(ours.mean() - theirs.mean()),
        by_seed=dict(zip(samples.arm_seeds, by_seed.tolist(), strict=True)),
        paired=samples.paired,
        baseline_seeds=samples.baseline_seeds,
        left_out=samples.left_out,
        spread=spread(samples, ours, theirs),
        estimate=t_estimate(samples, ours, theirs),
        permutation_p=p,
        min_permutation_p=least,
    )


def _permutation_p(
    samples: Samples, arm: Floats, baseline: Floats, seed: int
) -> tuple[float | None, float | None]:
    """Two-sided p, and the least that it can be; `None` twice where nothing can be exchanged."""
    if min(len(arm), len(baseline)) < 2:
        return None, None
    num = len(arm) + len(baseline)
    test = stats.permutation_test(
        (arm - baseline,) if samples.paired else (arm, baseline),
        _mean if samples.paired else _mean_difference,
        permutation_type="samples" if samples.paired else "independent",
        vectorized=True,
        n_resamples=MAX_PERMUTATIONS,
        rng=np.random.default_rng(seed),
    )
    permutations = 2 ** len(arm) if samples.paired else math.comb(num, len(arm))
    return float(test.pvalue), 2 / min(permutations, MAX_PERMUTATIONS + 1)


def _mean(values: Floats, axis: int) -> Floats:
    return np.asarray(values.mean(axis=axis))


def _mean_difference(arm: Floats, baseline: Floats, axis: int) -> Floats:
    return np.asarray(arm.mean(axis=axis) - baseline.mean(axis=axis))

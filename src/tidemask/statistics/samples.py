"""Two samples of runs, an arm's and the baseline's, and whether they are compared seed by seed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tidemask.statistics.estimate import CONFIDENCE, Estimate

Direction = Literal["lower", "higher"]
"""Which values of a measure are better."""

Floats = NDArray[np.float64]
"""Of any shape; the first axis counts seeds where there are several."""

ROUNDING = 1e-12
"""Differences between seeds that are smaller, relative to the values, are those of rounding."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Which seeds of two arms are compared, and how.

    Two runs of one seed share their initial weights, data order and dropout streams, so that much
    of what a seed does cancels in their difference. Two shared seeds or more are compared by seed,
    and the other seeds are left out; otherwise arms with two seeds or more each are compared as
    independent samples, all seeds of both.

    Attributes:
        paired: whether the differences are taken by seed.
        arm_seeds: those of the arm that are compared, ascending.
        baseline_seeds: those of the baseline; the same where `paired`.
        left_out: seeds of either that have no partner, ascending; empty where not `paired`.
    """

    paired: bool
    arm_seeds: tuple[int, ...]
    baseline_seeds: tuple[int, ...]
    left_out: tuple[int, ...]

    @staticmethod
    def of(arm: Mapping[int, object], baseline: Mapping[int, object]) -> Samples:
        """The seeds of two arms, by the rule above."""
        shared = tuple(sorted(arm.keys() & baseline.keys()))
        if len(shared) > 1 or (shared and min(len(arm), len(baseline)) == 1):
            left_out = tuple(sorted(arm.keys() ^ baseline.keys()))
            return Samples(paired=True, arm_seeds=shared, baseline_seeds=shared, left_out=left_out)
        return Samples(
            paired=False,
            arm_seeds=tuple(sorted(arm)),
            baseline_seeds=tuple(sorted(baseline)),
            left_out=(),
        )

    def values(self, arm: Mapping[int, Any], baseline: Mapping[int, Any]) -> tuple[Floats, Floats]:
        """What was measured of the compared seeds.

        Args:
            arm: by seed, numbers or arrays of one shape.
            baseline: the same of the baseline.

        Returns:
            Two arrays, float64 `[seeds, ...]`, in the order of the seeds.
        """
        return (
            np.array([arm[seed] for seed in self.arm_seeds], dtype=np.float64),
            np.array([baseline[seed] for seed in self.baseline_seeds], dtype=np.float64),
        )


def differences(samples: Samples, arm: Floats, baseline: Floats) -> Floats:
    """Arm minus baseline for each seed of the arm, float64 `[seeds, ...]`.

    Seeds that are not paired are compared with the mean of the baseline.
    """
    return arm - (baseline if samples.paired else baseline.mean(axis=0))


def spread(samples: Samples, arm: Floats, baseline: Floats) -> float | None:
    """Standard deviation of a difference of two runs; `None` with one seed. Float64 `[seeds]`."""
    if min(len(arm), len(baseline)) < 2:
        return None
    if samples.paired:
        return float((arm - baseline).std(ddof=1))
    return float(np.hypot(arm.std(ddof=1), baseline.std(ddof=1)))


def has_spread(samples: Samples, arm: Floats, baseline: Floats) -> bool:
    """Whether the seeds tell how much a difference varies; float64 `[seeds]`.

    One seed does not; nor do seeds whose differences are all equal, which scores rounded to a few
    values can be: a t-interval of no width would claim certainty.
    """
    if min(len(arm), len(baseline)) < 2:
        return False
    varying = (arm - baseline,) if samples.paired else (arm, baseline)
    scale = max(np.abs(arm).max(), np.abs(baseline).max())
    return any(float(np.ptp(values)) > ROUNDING * scale for values in varying)


def t_test(samples: Samples, arm: Floats, baseline: Floats) -> Any:
    """SciPy's t-test of the difference along the seeds: paired, or Welch's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a sample or a logged step without spread
        if samples.paired:
            return stats.ttest_rel(arm, baseline, axis=0)
        return stats.ttest_ind(arm, baseline, axis=0, equal_var=False)


def t_estimate(samples: Samples, arm: Floats, baseline: Floats) -> Estimate | None:
    """The mean difference with its t-interval; `None` where the seeds have no spread."""
    if not has_spread(samples, arm, baseline):
        return None
    test = t_test(samples, arm, baseline)
    low, high = test.confidence_interval(CONFIDENCE)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, test.df)
    return Estimate(
        mean=float(arm.mean() - baseline.mean()),
        standard_error=float((high - low) / 2 / half),
        df=float(test.df),
        low=float(low),
        high=float(high),
        p=float(test.pvalue),
    )

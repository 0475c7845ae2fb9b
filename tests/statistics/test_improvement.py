"""Probability of improvement: Mann and Whitney's share, and an interval by the normal law."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from tidemask.statistics.improvement import improvement

BASE = {0: 3.21, 1: 3.26, 2: 3.19, 3: 3.30, 4: 3.22}
OTHER = {10: 3.11, 11: 3.29, 12: 3.02, 13: 3.22}
"""Seeds that the baseline does not have, with a tie."""


def test_improvement_is_the_share_of_mann_and_whitney() -> None:
    u = stats.mannwhitneyu([*OTHER.values()], [*BASE.values()]).statistic / 20
    assert improvement(OTHER, BASE, "higher").probability == pytest.approx(u)
    assert improvement(OTHER, BASE, "lower").probability == pytest.approx(1 - u)


@pytest.mark.slow
def test_improvement_of_many_seeds_is_that_of_normal_values() -> None:
    """Phi(delta / scale) lies within, and half the width is 1.96 errors of the delta method."""
    rng = np.random.default_rng(0)
    num, truth = 4000, special.ndtr(0.5 / np.hypot(1.0, 2.0))
    ours, theirs = rng.normal(0.5, 1.0, num), rng.normal(0.0, 2.0, num)
    for first in (0, num):  # the same seeds, though independent; other seeds
        found = improvement(dict(enumerate(ours)), dict(enumerate(theirs, start=first)), "higher")
        assert found.low is not None
        assert found.high is not None
        assert found.low < truth < found.high
        effect = 0.5 / np.hypot(1.0, 2.0)
        error = np.sqrt(1 / num + effect**2 * (1 + 16) / 25 / (2 * num))
        width = special.ndtri(found.high) - special.ndtri(found.low)
        assert width == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_improvement_interval_holds_half_exactly_where_the_t_interval_holds_no_difference() -> None:
    """As both then rest on the same pivot; differences of several sizes, paired and not."""
    rng = np.random.default_rng(3)
    agreed = []
    for shift in (0.0, 0.02, 0.05, 0.2):
        arm = {seed: value - shift + rng.normal(0, 0.03) for seed, value in BASE.items()}
        for seeds in (0, 100):
            moved = {seed + seeds: value for seed, value in arm.items()}
            test = stats.ttest_rel if seeds == 0 else stats.ttest_ind
            options = {} if seeds == 0 else {"equal_var": False}
            p = test([*moved.values()], [*BASE.values()], **options).pvalue
            found = improvement(moved, BASE, "lower")
            assert found.low is not None
            assert found.high is not None
            if abs(p - 0.05) > 0.01:  # draws
                assert (found.low <= 0.5 <= found.high) == (p > 0.05)
                agreed.append(bool(p > 0.05))
    assert {True, False} == {*agreed}


def test_improvement_is_mirrored_with_the_arms() -> None:
    there, back = improvement(OTHER, BASE, "lower"), improvement(BASE, OTHER, "lower")
    assert there.probability == pytest.approx(1 - back.probability)
    assert there.low == pytest.approx(1 - back.high, abs=0.02)
    assert improvement(OTHER, BASE, "lower") == there


def test_improvement_interval_holds_what_was_seen() -> None:
    """Arms that do not overlap; no interval without spread, or with one seed."""
    apart = {seed: value - 10 + 0.001 * seed for seed, value in BASE.items()}
    found = improvement(apart, BASE, "lower")
    assert found.probability == found.high == 1.0
    for arm in ({0: 1.0}, {seed: value - 1 for seed, value in BASE.items()}):
        alone = improvement(arm, BASE, "lower")
        assert alone.low is alone.high is None

"""Power, smallest differences and numbers of seeds: against simulation and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tidemask.statistics.planning import (
    MAX_SEEDS,
    POWER,
    power,
    seeds_needed,
    smallest_detectable,
)


@pytest.mark.parametrize(("effect", "num_seeds"), [(0.8, 3), (1.0, 5), (0.5, 30), (0.0, 4)])
def test_power_is_the_share_of_made_up_studies_that_show_the_effect(
    effect: float, num_seeds: int
) -> None:
    trials = 20_000
    d = np.random.default_rng(3).normal(effect, 1, (num_seeds, trials))
    share = np.mean(stats.ttest_1samp(d, 0).pvalue < 0.05)
    expected = power(effect, 1.0, num_seeds)
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / trials))


def test_power_of_an_effect_in_small_units_is_the_same() -> None:
    assert power(2e-5, 1e-5, 4) == pytest.approx(power(2, 1, 4))


def test_power_with_variance_of_items_is_that_of_a_known_part() -> None:
    """With so many seeds that their part vanishes, a normal test with the items' error."""
    shown = stats.norm.sf(1.959964 - 2.5) + stats.norm.cdf(-1.959964 - 2.5)
    assert power(0.25, 1e-3, 50, item_variance=0.01) == pytest.approx(shown, abs=1e-5)


@pytest.mark.parametrize("num_seeds", [2, 3, 10, 500])
@pytest.mark.parametrize("level", [0.05, 0.005])
def test_smallest_detectable_is_shown_with_the_power(num_seeds: int, level: float) -> None:
    effect = smallest_detectable(0.02, num_seeds, level=level)
    assert power(effect, 0.02, num_seeds, level=level) == pytest.approx(POWER)
    assert power(effect / 1.01, 0.02, num_seeds, level=level) < POWER


def test_smallest_detectable_of_five_pairs_is_that_of_printed_tables() -> None:
    """Cohen's d of 1.682 with 5 pairs, power 0.8, two-sided 5 %."""
    assert smallest_detectable(1.0, 5) == pytest.approx(1.682, abs=5e-4)


@pytest.mark.parametrize("effect", [10.0, 1.2, 0.9, 0.3])
def test_seeds_needed_are_the_fewest(effect: float) -> None:
    counted = next(n for n in range(2, MAX_SEEDS) if power(effect, 1.0, n) >= POWER)
    assert seeds_needed(effect, 1.0) == counted


def test_seeds_needed_end_where_seeds_do_not_help() -> None:
    assert seeds_needed(1e-6, 1.0) is None
    assert seeds_needed(1.0, 1.0, item_variance=0.2) is None
    alone, among_items = seeds_needed(1.0, 1.0), seeds_needed(1.0, 1.0, item_variance=0.05)
    assert alone is not None
    assert among_items is not None
    assert alone < among_items

"""Intervals hold the truth as often as they say, where their assumptions hold: by simulation.

`benchmarks/statistics/coverage.py` makes up the runs, and measures where they do not.
"""

from __future__ import annotations

import pytest

from benchmarks.statistics.coverage import normal, over_items, over_seeds, to_match
from benchmarks.statistics.improvement import of_improvement

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("num_seeds", "paired", "ratio"),
    [((3, 3), True, 1.0), ((10, 10), True, 1.0), ((3, 5), False, 3.0), ((10, 10), False, 3.0)],
)
def test_coverage_of_the_t_interval(num_seeds: tuple[int, int], paired: bool, ratio: float) -> None:
    rate = over_seeds(num_seeds, normal, paired=paired, ratio=ratio, trials=10_000)
    assert 0.93 < rate < 0.97


@pytest.mark.parametrize("spread", [(1.0, 1.0, 1.0), (1.0, 5.0, 5.0), (0.1, 5.0, 5.0)])
@pytest.mark.parametrize("num_seeds", [3, 10])
def test_coverage_of_the_interval_over_seeds_and_items(
    num_seeds: int, spread: tuple[float, float, float]
) -> None:
    seeds, items, rest = spread
    rate, _ = over_items(num_seeds, seeds=seeds, items=items, rest=rest, trials=2000, resampled=0)
    assert 0.93 < rate < 0.97


def test_coverage_of_the_multi_bootstrap() -> None:
    """As it says with ten seeds that matter little; far less with three that matter."""
    _, right = over_items(10, seeds=1, items=5, rest=5, trials=700, resampled=700)
    _, narrow = over_items(3, seeds=1, items=1, rest=1, trials=300, resampled=300)
    assert 0.93 < right < 0.97
    assert narrow < 0.85


@pytest.mark.parametrize("num_seeds", [3, 10])
def test_coverage_of_steps_to_match(num_seeds: int) -> None:
    """Where the curves have no noise, wherever they match: a step later is a loss lower."""
    rate, _, _ = to_match(num_seeds, matched_at=950.0, noise=0.0, trials=700)
    assert 0.93 < rate < 0.97


@pytest.mark.parametrize("correlation", [None, 0.5])
@pytest.mark.parametrize("truth", [0.5, 0.9])
def test_coverage_of_the_probability_of_improvement(
    truth: float, correlation: float | None
) -> None:
    """Where a percentile bootstrap of five seeds holds 0.9 in seven cases of ten."""
    rate, bootstrap = of_improvement(5, normal, truth=truth, correlation=correlation, trials=1000)
    assert 0.93 < rate < 0.98
    assert truth == 0.5 or bootstrap < 0.8

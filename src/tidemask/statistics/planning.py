"""How many seeds an effect needs, and the smallest difference that so many seeds can show."""

from __future__ import annotations

import math

from scipy import optimize, stats

from tidemask.statistics.estimate import CONFIDENCE

POWER = 0.8
"""Probability with which a difference is to be shown, where it is there."""

MAX_SEEDS = 1000
"""More seeds than anybody trains; an effect that needs more is not shown by seeds."""


def power(
    effect: float,
    spread: float,
    num_seeds: int,
    *,
    item_variance: float = 0.0,
    level: float = 1 - CONFIDENCE,
) -> float:
    """Probability that a two-sided t-test shows an expected difference, by the noncentral t.

    With pairs of seeds whose differences have the standard deviation `spread`, the variance of
    their mean is `spread² / num_seeds + item_variance`.

    Args:
        effect: the expected difference, in the unit of the measure.
        spread: standard deviation of the differences between seeds, above 0, same unit.
        num_seeds: pairs of seeds, at least 2.
        item_variance: of the mean difference, because the items are a sample; more seeds do not
            reduce it.
        level: of the test.

    References:
        Cohen, Statistical power analysis for the behavioral sciences, 1988.
    """
    of_seeds = spread**2 / num_seeds
    variance = of_seeds + item_variance
    df = (num_seeds - 1) * (variance / of_seeds) ** 2  # Satterthwaite's, with many items
    critical = stats.t.isf(level / 2, df)
    shift = abs(effect) / math.sqrt(variance)
    # The lower tail as an upper one: `nct.cdf` far below its centre is NaN in SciPy 1.17.
    return float(stats.nct.sf(critical, df, shift) + stats.nct.sf(critical, df, -shift))


def smallest_detectable(
    spread: float,
    num_seeds: int,
    *,
    item_variance: float = 0.0,
    level: float = 1 - CONFIDENCE,
) -> float:
    """The difference that a t-test shows with probability `POWER`; arguments as of `power`.

    Example:
        >>> round(smallest_detectable(0.02, 5), 4)  # nats, say
        0.0336
    """

    def missing(effect: float) -> float:
        return POWER - power(effect, spread, num_seeds, item_variance=item_variance, level=level)

    high = math.sqrt(spread**2 / num_seeds + item_variance)
    while missing(high) > 0:
        high *= 2
    return float(optimize.brentq(missing, 0.0, high))


def seeds_needed(
    effect: float,
    spread: float,
    *,
    item_variance: float = 0.0,
    level: float = 1 - CONFIDENCE,
) -> int | None:
    """The fewest pairs of seeds that show an effect with probability `POWER`.

    Returns:
        At least 2; `None` if `MAX_SEEDS` do not do.

    Example:
        >>> seeds_needed(0.02, 0.02)
        10
    """

    def enough(num_seeds: int) -> bool:
        found = power(effect, spread, num_seeds, item_variance=item_variance, level=level)
        return found >= POWER

    low, high = 1, 2
    while not enough(high):
        if high >= MAX_SEEDS:
            return None
        low, high = high, min(2 * high, MAX_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

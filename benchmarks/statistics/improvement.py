"""How often intervals of the probability of improvement hold it, on runs whose truth is known.

`python benchmarks/statistics/coverage.py improvement` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tidemask.statistics.improvement import improvement

_RESAMPLED = 400
_RUNS = 100_000
"""Runs of each arm that give the truth where values are not normal."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]


def of_improvement(
    num_seeds: int, draw: Draw, *, truth: float, correlation: float | None, trials: int
) -> tuple[float, float]:
    """Coverage of the interval of the probability of improvement, and of a percentile bootstrap.

    Args:
        num_seeds: of each arm.
        draw: makes values.
        truth: the probability, for normal values; for others it follows from as large a difference.
        correlation: of two runs of one seed; `None` gives the arms other seeds.
        trials: made-up studies.
    """
    rng = np.random.default_rng(4)
    paired = correlation is not None
    shared, own = np.sqrt(correlation or 0.0), np.sqrt(1 - (correlation or 0.0))
    effect = float(np.sqrt(2) * special.ndtri(truth))
    first, second = (own * draw(rng, (_RUNS,)) + shared * draw(rng, (_RUNS,)) for _ in range(2))
    truth = float(np.mean(first + effect > second))
    hits = np.zeros(2)
    for _ in range(trials):
        arm, baseline = own * draw(rng, (2, num_seeds)) + shared * draw(rng, (1, num_seeds))
        arm = arm + effect
        seeds = range(num_seeds) if paired else range(num_seeds, 2 * num_seeds)
        found = improvement(
            dict(enumerate(arm.tolist())),
            dict(zip(seeds, baseline.tolist(), strict=True)),
            "higher",
        )
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high, _in_bootstrap(arm, baseline, truth, paired, rng)
    ours, theirs = hits / trials
    return float(ours), float(theirs)


def _in_bootstrap(
    arm: NDArray[np.float64],
    baseline: NDArray[np.float64],
    truth: float,
    paired: bool,
    rng: np.random.Generator,
) -> bool:
    """Whether the percentile interval of resampled seeds holds the truth."""
    rows = rng.integers(len(arm), size=(2, _RESAMPLED, len(arm)))
    ours, theirs = arm[rows[0]], baseline[rows[0 if paired else 1]]
    low, high = np.quantile((ours[:, :, None] > theirs[:, None]).mean((1, 2)), [0.025, 0.975])
    return bool(low <= truth <= high)

"""How often the intervals of `tidemask.statistics` hold the truth, on runs whose truth is known.

    python benchmarks/statistics/coverage.py                      # all
    python benchmarks/statistics/coverage.py steps improvement    # some

prints the tables of docs/guides/statistics.md and docs/guides/steps-to-match.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.statistics.improvement import of_improvement
from benchmarks.statistics.selection import of_selection
from tidemask.statistics import CONFIDENCE, MeasuredCurve
from tidemask.statistics.items import crossed, multi_bootstrap
from tidemask.statistics.samples import Samples, t_test
from tidemask.statistics.steps_to_match import steps_to_match

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
EFFECT = -0.05
"""The expected difference of all made-up arms."""


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Values with mean 0 and variance 1."""
    return rng.standard_normal(size)


def skewed(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """The same with a long tail to the right: exponential."""
    return rng.standard_exponential(size) - 1.0


def heavy(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """The same with both tails long: Student's with three degrees of freedom."""
    return rng.standard_t(3, size) / np.sqrt(3.0)


def over_seeds(
    num_seeds: tuple[int, int], draw: Draw, *, paired: bool, trials: int, ratio: float = 1.0
) -> float:
    """Coverage of the t-interval; `ratio` is the arm's standard deviation over the baseline's."""
    rng = np.random.default_rng(1)
    ours = range(num_seeds[0])
    theirs = ours if paired else range(len(ours), sum(num_seeds))
    samples = Samples.of(dict.fromkeys(ours), dict.fromkeys(theirs))
    assert samples.paired == paired
    baseline = draw(rng, (num_seeds[1], trials))
    arm = EFFECT + ratio * draw(rng, (num_seeds[0], trials))
    if paired:  # what the seed does to both runs
        arm, baseline = arm + 5 * baseline, 5 * baseline
    low, high = t_test(samples, arm, baseline).confidence_interval(CONFIDENCE)
    return float(np.mean((low <= EFFECT) & (high >= EFFECT)))


def over_items(
    num_seeds: int, *, seeds: float, items: float, rest: float, trials: int, resampled: int
) -> tuple[float, float]:
    """Coverage of the t-interval over seeds x items, and of the Multi-Bootstrap's.

    Args:
        num_seeds: pairs of runs.
        seeds: standard deviation of the true differences between seeds.
        items: the same between items, of which there are 100.
        rest: of what is neither a seed's nor an item's.
        trials: made-up studies.
        resampled: the first of them, for the Multi-Bootstrap; 0 for none.
    """
    rng = np.random.default_rng(2)
    counts = np.ones((100, 1))
    hits = np.zeros(2)
    for trial in range(trials):
        side = EFFECT + seeds * rng.standard_normal((num_seeds, 1))
        side = side + items * rng.standard_normal(100)
        side = (side + rest * rng.standard_normal((num_seeds, 100)))[:, :, None]
        found, _ = crossed([side], counts)
        assert found is not None
        hits[0] += found.low <= EFFECT <= found.high
        if trial < resampled:
            ends = multi_bootstrap([side], counts, rng, resamples=1000)
            assert ends is not None, "every item counts"
            hits[1] += ends[0] <= EFFECT <= ends[1]
    return float(hits[0] / trials), float(hits[1] / max(resampled, 1))


STEPS = np.arange(0.0, 1001.0, 50.0)


def to_match(
    num_seeds: int, *, matched_at: float, noise: float, trials: int
) -> tuple[float, float, float]:
    """Coverage of the interval of steps to match, and of a percentile bootstrap over seeds.

    Curves fall exponentially; the baseline ends at step 1000, and the expected curve of the arm is
    there at `matched_at`, which may lie after its end. Each seed moves both curves together by 0.1,
    each run by 0.02 and each point by `noise`.

    Returns:
        Both coverages, and the share of open intervals, which have no upper end.
    """
    rng = np.random.default_rng(3)

    def expected(step: Array | float) -> Array:
        return np.asarray(3 + 2 * np.exp(-np.asarray(step) / 400))

    target = float(expected(1000.0))
    curve = expected(STEPS * 1000 / matched_at)
    # On the straight lines between logged steps the expected curve is there a little elsewhere.
    truth = np.inf if curve[-1] > target else float(np.interp(-target, -curve, STEPS))
    hits, opened = np.zeros(2), 0
    for _ in range(trials):
        shared = 0.1 * rng.standard_normal((num_seeds, 1))
        own = 0.02 * rng.standard_normal((2, num_seeds, 1))
        points = noise * rng.standard_normal((2, num_seeds, len(STEPS)))
        arm, base = np.stack([curve, expected(STEPS)])[:, None] + shared + own + points
        found = steps_to_match(_curves(arm), _curves(base), direction="lower").interval
        assert found is not None
        low = np.inf if found.low is None else found.low["steps"]
        high = np.inf if found.high is None else found.high["steps"]
        opened += found.high is None
        hits += low <= truth <= high, _in_bootstrap(arm - base[:, -1:], truth, rng)
    first, second = hits / trials
    return float(first), float(second), opened / trials


def _curves(values: Array) -> dict[int, MeasuredCurve]:
    return {
        seed: MeasuredCurve(values=row, axes={"steps": STEPS}) for seed, row in enumerate(values)
    }


def _in_bootstrap(gaps: Array, truth: float, rng: np.random.Generator, draws: int = 400) -> bool:
    """Whether the percentile interval of resampled seeds holds the truth; `gaps` are `[S, T]`."""
    means = gaps[rng.integers(len(gaps), size=(draws, len(gaps)))].mean(1)
    after = np.argmax(means <= 0, axis=1)
    reached = (means <= 0).any(axis=1)
    row = np.arange(draws)
    before = np.maximum(after - 1, 0)
    part = means[row, before] / np.where(after > 0, means[row, before] - means[row, after], 1.0)
    at = np.where(after > 0, STEPS[before] + part * (STEPS[1] - STEPS[0]), 0.0)
    at = np.sort(np.where(reached, at, np.inf))
    return bool(at[round(0.025 * draws)] <= truth <= at[round(0.975 * draws) - 1])


def print_seeds(trials: int) -> None:
    """Prints the table of intervals over seeds."""
    print("seeds", "paired", "normal", "exponential", sep=" | ")
    for sizes, paired, ratio in (
        ((3, 3), True, 1.0), ((5, 5), True, 1.0), ((10, 10), True, 1.0),
        ((3, 3), False, 1.0), ((3, 5), False, 3.0), ((5, 5), False, 3.0), ((10, 10), False, 3.0),
    ):  # fmt: skip
        rates = [
            over_seeds(sizes, draw, paired=paired, trials=10 * trials, ratio=ratio)
            for draw in (normal, skewed)
        ]
        print(sizes, paired, *map(_percent, rates), sep=" | ")


def print_items(trials: int) -> None:
    """Prints the table of intervals over seeds x items."""
    print("seeds", "spread of seeds, items, rest", "t", "Multi-Bootstrap", sep=" | ")
    for spreads in ((1.0, 1.0, 1.0), (1.0, 5.0, 5.0), (0.1, 5.0, 5.0)):
        for num in (2, 3, 5, 10, 25):
            seeds, items, rest = spreads
            both = over_items(
                num, seeds=seeds, items=items, rest=rest, trials=trials, resampled=trials // 4
            )
            print(num, spreads, *map(_percent, both), sep=" | ", flush=True)


def print_steps(trials: int) -> None:
    """Prints the table of steps to match."""
    print("seeds", "matched at, noise", "t", "bootstrap", "open", sep=" | ")
    for at, noise in ((700.0, 0.0), (700.0, 0.01), (950.0, 0.0), (1200.0, 0.0)):
        for num in (3, 5, 10, 25):
            found = to_match(num, matched_at=at, noise=noise, trials=trials // 2)
            print(num, (at, noise), *map(_percent, found), sep=" | ", flush=True)


def print_improvement(trials: int) -> None:
    """Prints the table of the probability of improvement."""
    print("seeds", "values, correlation", "0.5", "0.7", "0.9", "0.99", sep=" | ")
    for draw, correlation in (
        (normal, None), (normal, 0.5), (skewed, None), (skewed, 0.5), (heavy, None), (heavy, 0.5),
    ):  # fmt: skip
        for num in (3, 5, 10):
            rates = (
                of_improvement(num, draw, truth=truth, correlation=correlation, trials=trials // 2)
                for truth in (0.5, 0.7, 0.9, 0.99)
            )
            cells = (f"{_percent(ours)} ({_percent(theirs)})" for ours, theirs in rates)
            print(num, (draw.__name__, correlation), *cells, sep=" | ", flush=True)


def print_selection(trials: int) -> None:
    """Prints the table of finals whose finalists were chosen on the same text, or on other text."""
    print("items", "spread of seeds, items, rest", "same", "other", "wider by", sep=" | ")
    for num in (256, 2048):
        for spreads in ((1.0, 1.0, 1.0), (1.0, 5.0, 5.0), (0.1, 5.0, 5.0)):
            seeds, items, rest = spreads
            (same, width), (other, wider) = (
                of_selection(num, seeds=seeds, items=items, rest=rest, is_split=half, trials=trials)
                for half in (False, True)
            )
            cells = (*map(_percent, (same, other)), f"{wider / width:.2f}")
            print(num, spreads, *cells, sep=" | ", flush=True)


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}"


TABLES = {
    "seeds": print_seeds,
    "items": print_items,
    "steps": print_steps,
    "improvement": print_improvement,
    "selection": print_selection,
}


def main(names: Sequence[str], trials: int = 4000) -> None:
    """Prints tables in per cent, all if none is named."""
    for name in names or TABLES:
        TABLES[name](trials)


if __name__ == "__main__":
    main(sys.argv[1:])

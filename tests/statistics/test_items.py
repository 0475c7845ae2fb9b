"""Differences over seeds x items: analysis of variance by hand, and the bootstrap as a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tidemask.errors import UserError
from tidemask.statistics import Items
from tidemask.statistics.items import crossed, item_difference, multi_bootstrap
from tidemask.statistics.samples import Samples

RNG = np.random.default_rng(11)
COUNTS = RNG.integers(0, 6, (30, 2)).astype(float)
SUMS = {arm: {seed: COUNTS * (RNG.normal(2 + shift, 0.2) + RNG.normal(0, 0.5, (30, 2)))
              for seed in seeds}
        for arm, shift, seeds in (("base", 0, range(4)), ("arm", -0.2, range(4)),
                                  ("other", -0.2, range(7, 10)))}  # fmt: skip
PAIRED = Samples.of(dict.fromkeys(range(4)), dict.fromkeys(range(4)))


def _measure(sums: Any, counts: Any = COUNTS) -> float:
    """Of one run, in words: the mean over cells of total sum / total count."""
    return float(np.mean([sums[:, c].sum() / counts[:, c].sum() for c in range(2)]))


def test_items_measure_is_the_mean_over_cells_of_the_ratios() -> None:
    items = Items(sums=SUMS, counts=COUNTS)
    assert items.values("arm", [2, 0]) == pytest.approx([_measure(SUMS["arm"][s]) for s in (2, 0)])
    right = Items(sums={"arm": {0: [1, 0, 1, 1]}})
    assert right.values("arm", [0]) == pytest.approx([0.75])


@pytest.mark.parametrize("arm", ["arm", "other"])
def test_item_difference_is_that_of_the_seeds_means(arm: str) -> None:
    samples = Samples.of(SUMS[arm], SUMS["base"])
    found = item_difference(Items(sums=SUMS, counts=COUNTS), arm, "base", samples)
    ours, theirs = (np.mean([_measure(x) for x in SUMS[name].values()]) for name in (arm, "base"))
    assert found.estimate is not None
    assert found.estimate.mean == pytest.approx(ours - theirs)
    assert found.bootstrap_low is not None
    assert found.bootstrap_high is not None
    assert found.bootstrap_low < ours - theirs < found.bootstrap_high


def test_crossed_variance_is_that_of_the_mean_squares() -> None:
    """Two-way analysis of variance without replication, as in textbooks."""
    x = RNG.normal(size=(4, 1)) + RNG.normal(0, 3, 7) + RNG.normal(size=(4, 7))
    found, item_variance = crossed([x[:, :, None]], np.ones((7, 1)))
    total = ((x - x.mean()) ** 2).sum()
    by_seed = 7 * ((x.mean(1) - x.mean()) ** 2).sum()
    by_item = 4 * ((x.mean(0) - x.mean()) ** 2).sum()
    seed_square, item_square = by_seed / 3, by_item / 6
    rest_square = (total - by_seed - by_item) / 18
    variance = (seed_square + item_square - rest_square) / 28
    df = variance**2 / ((seed_square / 28) ** 2 / 3 + (item_square / 28) ** 2 / 6)
    assert found is not None
    assert found.standard_error**2 == pytest.approx(variance)
    assert found.df == pytest.approx(df)
    assert item_variance == pytest.approx((item_square - rest_square) / 28)
    assert found.low == pytest.approx(x.mean() - stats.t.ppf(0.975, df) * variance**0.5)
    assert found.p == pytest.approx(2 * stats.t.cdf(-abs(x.mean()) / variance**0.5, df))


def test_crossed_variance_without_items_spread_is_that_of_the_seeds() -> None:
    means = RNG.normal(size=5)
    found, item_variance = crossed([np.tile(means, (9, 1)).T[:, :, None]], np.ones((9, 1)))
    reference = stats.ttest_1samp(means, 0)
    assert found is not None
    assert (found.df, item_variance) == (pytest.approx(4), pytest.approx(0, abs=1e-20))
    assert found.p == pytest.approx(reference.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval()))


def test_crossed_variance_of_two_sides_is_the_sum_of_theirs() -> None:
    """Of sides with items that have nothing in common; with many, both variances add up."""
    one, two = RNG.normal(size=(3, 4000, 1)), RNG.normal(size=(4, 4000, 1))
    counts = np.ones((4000, 1))
    each = [crossed([side], counts)[0] for side in (one, two)]
    both, _ = crossed([one, two], counts)
    assert both is not None
    parts = [found.standard_error**2 for found in each if found is not None]
    assert both.standard_error**2 == pytest.approx(sum(parts), rel=0.1)


def test_crossed_of_two_seeds_has_one_degree_of_freedom() -> None:
    found, _ = crossed([RNG.normal(size=(2, 50, 1))], np.ones((50, 1)))
    assert found is not None
    assert found.df == 1


def test_crossed_of_what_does_not_vary_has_no_interval() -> None:
    assert crossed([np.full((3, 50, 1), 0.1)], np.ones((50, 1))) == (None, 0.0)


def test_crossed_ratio_moves_with_an_item_as_its_derivative_says() -> None:
    """One item a little heavier changes the measure by its deviation / N, in the first order."""
    x = SUMS["arm"][0]
    only, _ = crossed([np.stack([x, x, x])], COUNTS)
    assert only is not None
    heavier = 1e-6
    moves = []
    for item in range(30):
        weights = np.ones((30, 1))
        weights[item] += heavier
        moves.append((_measure(weights * x, weights * COUNTS) - _measure(x)) / heavier * 30)
    assert only.standard_error**2 == pytest.approx(np.var(moves, ddof=1) / 30, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["arm", "other"])
def test_multi_bootstrap_has_the_quantiles_of_a_plain_loop(arm: str) -> None:
    """Draws of seeds and items by number, 4000 times; ends agree within their sampling error."""
    ours, theirs = (np.stack([*SUMS[name].values()]) for name in (arm, "base"))
    paired = arm == "arm"
    sides = [ours - theirs] if paired else [ours, -theirs]
    found = multi_bootstrap(sides, COUNTS, np.random.default_rng(0), resamples=4000)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(4000):
        items = rng.integers(30, size=30)
        seeds = rng.integers(len(ours), size=len(ours))
        others = seeds if paired else rng.integers(len(theirs), size=len(theirs))
        sums = ours[seeds][:, items].sum(1).mean(0) - theirs[others][:, items].sum(1).mean(0)
        drawn.append(np.mean(sums / COUNTS[items].sum(0)))
    ends = np.quantile(drawn, [0.025, 0.975])
    assert found == pytest.approx(tuple(ends), abs=0.2 * np.std(drawn))


def test_multi_bootstrap_leaves_out_draws_of_items_that_do_not_count() -> None:
    """One item of three counts, in one cell of two: each draw that has it has its quotient."""
    counts = np.array([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    side = np.array([[[6.0, 5.0], [0.0, 5.0], [0.0, 5.0]]])
    found = multi_bootstrap([side], counts, np.random.default_rng(0))
    assert found == pytest.approx((4.0, 4.0))
    each_its_own = np.eye(60)
    assert multi_bootstrap([each_its_own[None]], each_its_own, np.random.default_rng(0)) is None


def test_item_difference_of_one_seed_has_no_interval() -> None:
    one = Samples.of({0: None}, {0: None})
    found = item_difference(Items(sums=SUMS, counts=COUNTS), "arm", "base", one)
    assert found.estimate is found.bootstrap_low is found.bootstrap_high is None


GOOD = {"base": {0: [1.0, 2.0], 1: [1.0, 3.0]}, "arm": {0: [0.0, 1.0], 1: [2.0, 2.0]}}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (Items(sums={**GOOD, "arm": {0: [1, 1]}}), "none of arm arm, seed 1. Expected those of"),
        (Items(sums={}), "none of arm arm, seed 0"),
        (Items(sums={**GOOD, "arm": {0: [1, 1], 1: [1, 1, 1]}}), r"seed 1 has .* shape \(3,\)"),
        (Items(sums={**GOOD, "arm": {0: [1, 1], 1: [1, np.nan]}}), "seed 1 has a sum that is not"),
        (Items(sums=GOOD, counts=[1, 2, 3]), r"counts have the shape \(3,\), sums \(2,\)"),
        (Items(sums=GOOD, counts=[-1, 2]), "counts from -1 to 2"),
        (Items(sums=GOOD, counts=[0, 0]), "counts from 0 to 0"),
    ],
    ids=["missing", "empty", "other items", "NaN", "counts of others", "negative", "nothing"],
)
def test_items_that_do_not_fit_are_refused(items: Items, message: str) -> None:
    samples = Samples.of(GOOD["arm"], GOOD["base"])
    with pytest.raises(UserError, match=f"^items: .*{message}"):
        item_difference(items, "arm", "base", samples)

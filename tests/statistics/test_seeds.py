"""Differences over seeds: textbook formulas, permutations one by one, and which seeds are used."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from tidemask.statistics.seeds import MAX_PERMUTATIONS, seed_difference

BASE = {0: 3.21, 1: 3.26, 2: 3.19, 3: 3.30, 4: 3.22}
ARM = {0: 3.18, 1: 3.20, 2: 3.20, 3: 3.21, 4: 3.17}
OTHER = {10: 3.11, 11: 3.29, 12: 3.02}
"""Seeds that the baseline does not have."""


def test_seed_difference_is_students_of_the_pairs() -> None:
    found = seed_difference(ARM, BASE)
    d = np.array([ARM[seed] - BASE[seed] for seed in BASE])
    error = d.std(ddof=1) / np.sqrt(5)
    assert found.by_seed == pytest.approx(dict(enumerate(d)))
    assert found.spread == pytest.approx(d.std(ddof=1))
    assert found.estimate is not None
    assert found.estimate.mean == found.mean == pytest.approx(d.mean())
    assert found.estimate.standard_error == pytest.approx(error)
    assert found.estimate.df == 4
    assert found.estimate.low == pytest.approx(d.mean() - 2.7764451 * error)  # printed tables of t
    assert found.estimate.high == pytest.approx(d.mean() + 2.7764451 * error)
    assert found.estimate.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue)


def test_seed_difference_of_other_seeds_is_welchs() -> None:
    found = seed_difference(OTHER, BASE)
    a, b = np.array([*OTHER.values()]), np.array([*BASE.values()])
    parts = np.array([a.var(ddof=1) / 3, b.var(ddof=1) / 5])
    df = parts.sum() ** 2 / (parts**2 / [2, 4]).sum()
    assert not found.paired
    assert found.spread == pytest.approx(np.sqrt(a.var(ddof=1) + b.var(ddof=1)))
    assert found.by_seed == pytest.approx({seed: OTHER[seed] - b.mean() for seed in OTHER})
    assert found.estimate is not None
    assert found.estimate.df == pytest.approx(df)
    assert found.estimate.standard_error == pytest.approx(np.sqrt(parts.sum()))
    assert found.estimate.p == pytest.approx(
        2 * stats.t.sf(abs(a.mean() - b.mean()) / np.sqrt(parts.sum()), df)
    )


def test_seed_difference_permutation_p_is_that_of_all_signs() -> None:
    found = seed_difference(ARM, BASE)
    d = np.array([ARM[seed] - BASE[seed] for seed in BASE])
    means = [np.dot(signs, d) / 5 for signs in product((1, -1), repeat=5)]
    assert found.permutation_p == np.mean([abs(m) >= abs(d.mean()) - 1e-12 for m in means])
    assert found.min_permutation_p == 2 / 32
    clear = seed_difference({seed: value - 1 for seed, value in ARM.items()}, BASE)
    assert clear.permutation_p == clear.min_permutation_p


def test_seed_difference_permutation_p_of_other_seeds_is_that_of_all_exchanges() -> None:
    found = seed_difference(OTHER, BASE)
    runs = np.array([*OTHER.values(), *BASE.values()])
    ways = [list(places) for places in combinations(range(8), 3)]
    gaps = np.array([runs[p].mean() - np.delete(runs, p).mean() for p in ways])
    seen = np.mean(gaps <= gaps[0] + 1e-12), np.mean(gaps >= gaps[0] - 1e-12)
    assert found.permutation_p == pytest.approx(min(1, 2 * min(seen)))
    assert found.min_permutation_p == 2 / 56


def test_seed_difference_draws_permutations_where_there_are_too_many() -> None:
    d = np.random.default_rng(5).normal(0.4, 1, 20)
    found = seed_difference(dict(enumerate(d)), dict.fromkeys(range(20), 0.0))
    sums = np.array([0.0])
    for value in d:  # all 2^20
        sums = np.concatenate([sums + value, sums - value])
    exact = np.mean(np.abs(sums) >= abs(d.sum()) - 1e-9)
    assert found.permutation_p == pytest.approx(exact, abs=4 * np.sqrt(exact / MAX_PERMUTATIONS))
    assert found.min_permutation_p == 2 / (MAX_PERMUTATIONS + 1)


def test_seed_difference_of_one_seed_has_no_interval() -> None:
    one = {7: 3.0}
    for arm, baseline in (({3: 2.0}, {3: 2.5}), (one, {4: 2.5}), (ARM, {0: 3.0}), (one, BASE)):
        found = seed_difference(arm, baseline)
        assert found.estimate is found.spread is None
        assert found.permutation_p is found.min_permutation_p is None
    assert found.mean == pytest.approx(3.0 - np.mean([*BASE.values()]))


def test_seed_difference_of_seeds_without_spread_has_no_interval() -> None:
    """Rounding alone, as of 0.9 - 0.6 and 0.7 - 0.4, is no spread."""
    found = seed_difference({0: 0.9, 1: 0.7, 2: 0.5}, {0: 0.6, 1: 0.4, 2: 0.2})
    assert len({*found.by_seed.values()}) > 1
    assert found.estimate is None
    assert found.permutation_p == 0.25


@pytest.mark.parametrize(
    ("arm", "baseline", "paired", "left_out"),
    [
        ((0, 1, 2), (0, 1, 2), True, ()),
        ((0, 1, 2), (1, 2, 3), True, (0, 3)),
        ((0, 1), (1, 2), False, ()),
        ((0,), (0, 1), True, (1,)),
        ((0, 1), (2, 3), False, ()),
    ],
)
def test_seed_difference_pairs_two_shared_seeds_or_more(
    arm: tuple[int, ...], baseline: tuple[int, ...], paired: bool, left_out: tuple[int, ...]
) -> None:
    found = seed_difference({seed: BASE[seed] for seed in arm}, {s: ARM[s] for s in baseline})
    assert (found.paired, found.left_out) == (paired, left_out)
    shared = sorted({*arm} & {*baseline})
    assert [*found.by_seed] == (shared if paired else [*arm])
    assert found.baseline_seeds == (tuple(shared) if paired else baseline)

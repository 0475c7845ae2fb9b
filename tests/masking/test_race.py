"""The race against a loop over units in the order of their clocks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import random_examples
from tidemask.masking.bitmask import as_mask
from tidemask.masking.race import clocks, select_fixed

LEVEL = 1e-4
FULL = 2**31


def reference(clock, eligible, budget, crossing):
    """Units as their clocks ring; the one that crosses the budget stays if `crossing` is low."""
    selected, taken = np.zeros(len(clock), bool), 0
    budget = min(budget, eligible.sum())
    for time in np.unique(clock[eligible]):
        unit = eligible & (clock == time)
        if taken + unit.sum() > budget:
            return selected | unit if crossing < (budget - taken) / unit.sum() * FULL else selected
        selected |= unit
        taken += unit.sum()
    return selected


def raced(clock, eligible, budget, crossing):
    mask = select_fixed(
        torch.tensor(clock, dtype=torch.int32),
        as_mask(torch.tensor(eligible)),
        torch.tensor(budget, dtype=torch.float64)[:, None],
        torch.tensor(crossing, dtype=torch.int32)[:, None],
    )
    assert torch.isin(mask, torch.tensor([0, -1], dtype=torch.int32)).all()
    return mask.numpy() != 0


@st.composite
def races(draw):
    """Clocks of a few values or of all, so that some tie; budgets from nothing to too much."""
    num_sequences, length = draw(st.integers(0, 4)), draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (num_sequences, length)
    highest = draw(st.sampled_from([1, 3, 256, 300, 1 << 16, 1 << 24, FULL]))
    clock = rng.integers(0, highest, shape)
    if draw(st.booleans()):
        clock = FULL - 1 - clock
    eligible = rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    budget = rng.random(num_sequences) * length * draw(st.sampled_from([0.0, 0.1, 1.0, 1.5]))
    whole = rng.random(num_sequences) < 0.5
    crossing = rng.choice([0, FULL - 1, FULL // 2, int(rng.integers(0, FULL))], num_sequences)
    return clock, eligible, np.where(whole, np.floor(budget), budget), crossing


@given(races())
@random_examples(100)
def test_race_equals_a_loop_over_sorted_units(race):
    result = raced(*race)
    for row, *of_row in zip(result, *race, strict=True):
        np.testing.assert_array_equal(row, reference(*of_row))


def test_race_of_long_sequences_equals_the_loop():
    rng = np.random.default_rng(71)
    for length in (512, 1000, 4096):
        words = np.cumsum(rng.random((6, length)) < 0.6, axis=1)
        clock = np.take_along_axis(rng.integers(0, FULL, (6, length + 1)), words, axis=1)
        eligible = rng.random((6, length)) < 0.9
        budget = np.array([0.02, 0.15, 0.4, 0.9, 1.0, 1.2]) * length
        crossing = rng.integers(0, FULL, 6)
        result = raced(clock, eligible, budget, crossing)
        for i in range(6):
            expected = reference(clock[i], eligible[i], budget[i], crossing[i])
            np.testing.assert_array_equal(result[i], expected)


@pytest.mark.parametrize("crossing", [0, FULL - 1])
def test_budget_of_nothing_takes_nothing_and_of_too_much_all(crossing):
    clock = np.array([[0, 5, 5, FULL - 1]] * 3)
    eligible = np.array([[True, True, True, True], [False, True, True, True], [False] * 4])
    for budget, expected in ((0.0, eligible & False), (4.0, eligible), (9.0, eligible)):
        result = raced(clock, eligible, [budget] * 3, [crossing] * 3)
        np.testing.assert_array_equal(result, expected)


def test_inputs_are_left_alone():
    rng = np.random.default_rng(72)
    clock = torch.tensor(rng.integers(0, FULL, (3, 20)), dtype=torch.int32)
    eligible = as_mask(torch.tensor(rng.random((3, 20)) < 0.8))
    budget = torch.full((3, 1), 40.0, dtype=torch.float64)
    crossing = torch.zeros(3, 1, dtype=torch.int32)
    weights = torch.rand(3, 20)
    before = [t.clone() for t in (clock, eligible, budget, crossing, weights)]
    select_fixed(clock, eligible, budget, crossing)
    clocks(clock, weights)
    for tensor, kept in zip((clock, eligible, budget, crossing, weights), before, strict=True):
        assert torch.equal(tensor, kept)


def test_crossing_unit_is_kept_with_the_share_of_it_that_fits():
    """A unit of four tokens and a budget of one: a quarter of all crossing draws."""
    rng = np.random.default_rng(73)
    shape = (20_000, 4)
    kept = raced(
        np.full(shape, 7), np.ones(shape, bool), np.ones(20_000), rng.integers(0, FULL, 20_000)
    )
    assert stats.binomtest(int(kept[:, 0].sum()), 20_000, 0.25).pvalue > LEVEL


@pytest.mark.parametrize("spread", [0, 3, 12])
def test_clocks_are_ordered_as_the_exponential_times(spread):
    """Of any two times that differ by more than 24 bits can tell; `W` spans powers of ten."""
    rng = np.random.default_rng(74)
    draws = np.concatenate([[0, 1, FULL - 2, FULL - 1], rng.integers(0, FULL, 1500)])
    weights = 10.0 ** rng.uniform(-spread, spread, len(draws))
    clock = clocks(
        torch.tensor(draws[None], dtype=torch.int32),
        torch.tensor(weights[None], dtype=torch.float32),
    )[0].numpy()
    weights = weights.astype(np.float32).astype(float)
    assert (clock >= 0).all()
    u = (draws + 0.5) / FULL
    early = -np.log1p(-u * (1 - 2.0**-23)) / weights * (1 - 1e-6)
    late = -np.log1p(-np.minimum(u * (1 + 2.0**-23), 1 - 1e-12)) / weights * (1 + 1e-6)
    differ = late[:, None] < early[None, :]
    assert differ.mean() > 0.49
    assert (clock[:, None] < clock[None, :])[differ].all()


def test_first_unit_of_a_race_has_the_share_of_its_weight():
    """The exponential race: the first to ring is unit k with probability `W[k] / sum(W)`."""
    rng = np.random.default_rng(75)
    weights = np.array([0.05, 0.2, 0.75, 1.0, 3.0])
    draws = torch.tensor(rng.integers(0, FULL, (20_000, 5)), dtype=torch.int32)
    clock = clocks(draws, torch.tensor(weights, dtype=torch.float32).expand(20_000, -1))
    first = np.bincount(clock.argmin(1).numpy(), minlength=5)
    assert stats.chisquare(first, weights / weights.sum() * 20_000).pvalue > LEVEL


def test_units_of_weight_zero_ring_last():
    draws = torch.tensor([[0, 5, FULL - 1]], dtype=torch.int32)
    clock = clocks(draws, torch.tensor([[0.0, 0.0, 1e-12]]))
    assert clock[0, 2] < clock[0, 0] == clock[0, 1]

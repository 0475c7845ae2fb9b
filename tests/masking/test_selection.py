"""Selection from draws made by hand: thresholds, weights by class or position, row by row."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import all_cases, random_examples
from masking_texts import slow_inclusion
from tidemask.masking.selection import (
    Weights,
    count_by_class,
    select_expected,
    select_to_budget,
)

FULL = 2**31
WEIGHTS = [0.15, 0.85, 0.5, 0.02, 0.5]


class Case:
    """Words of one to three tokens, of five classes: their draws, classes and weights."""

    def __init__(self, seed, num_sequences=3, length=30, weights=WEIGHTS):
        rng = np.random.default_rng(seed)
        shape = (num_sequences, length)
        word = np.cumsum(rng.random(shape) < 0.6, axis=1)
        wide = (num_sequences, length + 1)
        self.draws = np.take_along_axis(rng.integers(0, FULL, wide), word, axis=1)
        self.classes = np.take_along_axis(rng.integers(0, len(weights), wide), word, axis=1)
        self.maskable = rng.random(shape) < 0.9
        self.crossing = torch.tensor(rng.integers(0, FULL, (num_sequences, 1)), dtype=torch.int32)
        table = torch.tensor(weights, dtype=torch.float64)
        zero = 0.0 in weights
        self.by_class = Weights(table, zero, torch.tensor(self.classes))
        self.by_position = Weights(table[torch.tensor(self.classes)], zero)
        self.weight = np.array(weights)[self.classes]

    def expected(self, weights, ratio, **asked):
        draws = torch.tensor(self.draws, dtype=torch.int32)
        return select_expected(draws, torch.tensor(self.maskable), weights, ratio, **asked)

    def to_budget(self, weights, ratio):
        draws = torch.tensor(self.draws, dtype=torch.int32)
        maskable = torch.tensor(self.maskable)
        return select_to_budget(draws, maskable, weights, ratio, self.crossing)

    def inclusion(self, row, ratio):
        """Of each position, by the reference."""
        return slow_inclusion(self.maskable[row], self.weight[row], ratio)


@given(st.integers(0, 4), st.integers(0, 20), st.integers(1, 6), st.integers(0, 2**32))
@random_examples(50)
def test_counts_by_class_equal_a_loop(num_sequences, length, num_classes, seed):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, num_classes, (num_sequences, length))
    maskable = rng.random((num_sequences, length)) < 0.7
    counts = count_by_class(
        torch.tensor(classes), torch.tensor(maskable), num_classes=num_classes
    ).tolist()
    assert counts == [
        [sum(c == k and m for c, m in zip(*row, strict=True)) for k in range(num_classes)]
        for row in zip(classes, maskable, strict=True)
    ]


@given(st.integers(0, 2**32), st.floats(0.01, 0.99))
@random_examples(40)
def test_expected_takes_the_draws_below_the_inclusion_probability(seed, ratio):
    case = Case(seed)
    uniform = case.expected(None, ratio).mask.numpy() != 0
    np.testing.assert_array_equal(uniform, case.maskable & (case.draws < ratio * FULL))
    for weights in (case.by_class, case.by_position):
        mask = case.expected(weights, ratio).mask.numpy() != 0
        for row in range(3):
            pi = case.inclusion(row, ratio)
            clear = np.abs(case.draws[row] / FULL - pi) > 1e-8
            drawn = case.maskable[row] & (case.draws[row] < pi * FULL)
            np.testing.assert_array_equal(mask[row][clear], drawn[clear])


@pytest.mark.parametrize("ratio", [0.0, 0.02, 0.15, 0.9, 1.0])
def test_inclusion_is_given_when_asked_for(ratio):
    case = Case(131)
    assert case.expected(None, ratio, with_inclusion=True).inclusion == ratio
    for weights in (case.by_class, case.by_position):
        assert case.expected(weights, ratio).inclusion is None
        inclusion = case.expected(weights, ratio, with_inclusion=True).inclusion
        for row in range(3):
            at = case.maskable[row]
            expected = case.inclusion(row, ratio)[at]
            np.testing.assert_allclose(inclusion[row][at], expected, atol=1e-9)


@pytest.mark.parametrize("select", ["expected", "to_budget"])
@pytest.mark.parametrize("kind", [None, "by_class", "by_position"])
def test_ratio_of_each_sequence_equals_that_number_for_all(select, kind):
    case = Case(132)
    weights = kind and getattr(case, kind)
    ratios = [0.02, 0.4, 1.0]
    mask = getattr(case, select)(weights, torch.tensor(ratios, dtype=torch.float64)[:, None]).mask
    for row, ratio in enumerate(ratios):
        assert torch.equal(mask[row], getattr(case, select)(weights, ratio).mask[row])


@pytest.mark.parametrize("select", ["expected", "to_budget"])
@pytest.mark.parametrize("ratio", [0.02, 0.15, 0.6])
def test_weights_by_class_and_by_position_are_two_ways_to_say_the_same(select, ratio):
    case = Case(133, num_sequences=40)
    by_class = getattr(case, select)(case.by_class, ratio)
    assert torch.equal(by_class.mask, getattr(case, select)(case.by_position, ratio).mask)
    assert by_class.mask.any()


@pytest.mark.parametrize("select", ["expected", "to_budget"])
@pytest.mark.parametrize("kind", [None, "by_class", "by_position"])
def test_ratios_zero_and_one_select_nothing_and_everything_whatever_is_drawn(select, kind):
    case = Case(134)
    case.draws[:, 0::3], case.draws[:, 1::3] = 0, FULL - 1
    for ratio in (0.0, 1.0):
        mask = getattr(case, select)(kind and getattr(case, kind), ratio).mask
        np.testing.assert_array_equal(mask.numpy() != 0, case.maskable * bool(ratio))


@all_cases("select", ["expected", "to_budget"])
@all_cases("kind", ["by_class", "by_position"])
@all_cases("ratio", [0.1, 0.5, 1.0])
def test_weight_of_zero_is_never_selected_and_the_shortfall_is_counted(select, kind, ratio):
    case = Case(135, weights=[0.0, 0.85, 0.0, 0.02, 0.0])
    selection = getattr(case, select)(getattr(case, kind), ratio)
    mask, eligible = selection.mask.numpy() != 0, case.maskable & (case.weight > 0)
    assert not (mask & ~eligible).any()
    missing = np.maximum(0, ratio * case.maskable.sum(1) - eligible.sum(1))
    assert float(selection.shortfall.sum()) == pytest.approx(missing.sum(), abs=1e-9)
    for row in np.flatnonzero(missing):
        np.testing.assert_array_equal(mask[row], eligible[row])


@pytest.mark.parametrize("select", ["expected", "to_budget"])
@pytest.mark.parametrize("kind", [None, "by_class", "by_position"])
def test_there_is_no_shortfall_where_no_weight_is_zero(select, kind):
    case = Case(136)
    assert getattr(case, select)(kind and getattr(case, kind), 0.3).shortfall is None


@all_cases("shape", [(0, 0), (0, 5), (4, 0)])
@all_cases("select", ["expected", "to_budget"])
@all_cases("kind", [None, "by_class", "by_position"])
def test_nothing_is_selected_from_nothing(select, kind, shape):
    case = Case(137, *shape)
    assert getattr(case, select)(kind and getattr(case, kind), 0.5).mask.shape == shape

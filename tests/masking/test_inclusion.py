"""Inclusion probabilities: the budget equation against root finding."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from masking_texts import slow_inclusion
from tidemask.masking.inclusion import inclusion_and_shortfall


def inclusion_probability(num_tokens, weights, ratio):
    return inclusion_and_shortfall(num_tokens, weights, ratio)[0]


def solved(counts, weights, ratio):
    counts, weights = torch.tensor(counts), torch.tensor(weights, dtype=torch.float64)
    return inclusion_probability(counts, weights, ratio).numpy()


@st.composite
def budgets(draw, smallest=-3.0, largest=0.0):
    """Counts of up to four sequences, weights of some powers of ten, and a ratio."""
    num_classes = draw(st.integers(1, 8))
    row = st.lists(st.integers(0, 300), min_size=num_classes, max_size=num_classes)
    counts = draw(st.lists(row.filter(any), min_size=1, max_size=4))
    weight = st.floats(smallest, largest).map(lambda x: 10**x)
    weights = draw(st.lists(weight, min_size=num_classes, max_size=num_classes))
    return counts, weights, draw(st.floats(0, 1) | st.sampled_from([0.02, 0.15, 0.3, 0.999, 1.0]))


@given(budgets())
@random_examples(50)
def test_inclusion_probability_solves_the_budget_equation(budget):
    counts, weights, ratio = budget
    result = solved(counts, weights, ratio)
    for row, probability in zip(counts, result, strict=True):
        assert np.dot(row, probability) == pytest.approx(ratio * sum(row), abs=1e-9 * sum(row))
        if ratio < 1 - 1e-9:
            np.testing.assert_allclose(probability, slow_inclusion(row, weights, ratio), atol=1e-9)


@given(budgets(smallest=-12, largest=12))
@random_examples(40)
def test_inclusion_probability_is_a_probability(budget):
    counts, weights, ratio = budget
    for share in (ratio, 0.0, 1.0):
        result = solved(counts, weights, share)
        assert (result >= 0).all()
        assert (result <= 1).all()


@given(budgets(smallest=-9.0))
@random_examples(50)
def test_budget_is_met_with_weights_as_far_apart_as_a_sharp_sigmoid_makes_them(budget):
    """`sharpness=5` and one class far above 16 others give weights from 4e-9 to 1."""
    counts, weights, ratio = budget
    for row, probability in zip(counts, solved(counts, weights, ratio), strict=True):
        assert np.dot(row, probability) == pytest.approx(ratio * sum(row), abs=1e-6 * sum(row))


@given(budgets(smallest=-12, largest=12))
@random_examples(80)
def test_budget_is_met_with_wild_weights(budget):
    """To a tenth of the bias allowed. All groups move with `tau`: none is off by more."""
    counts, weights, ratio = budget
    for row, probability in zip(counts, solved(counts, weights, ratio), strict=True):
        reference = slow_inclusion(row, weights, ratio)
        assert np.dot(row, np.abs(probability - reference)) < 1e-4 * sum(row), reference


WILD = {
    "eight": (
        [158, 79, 180, 280, 150, 299, 180, 206],
        [
            4.815e-05,
            100068.28,
            525.315,
            1.7841e-12,
            29573668.36,
            945427400356.08,
            0.83823,
            0.0034525,
        ],
        0.8172868343431597,
    ),
    "seven": (
        [241, 259, 295, 12, 72, 22, 49],
        [9.7224e-12, 429681.26, 16538010507.4, 1025751949.6, 80370689699.4, 0.0023973, 10080.463],
        0.7463662691630205,
    ),
}


@pytest.mark.parametrize(("counts", "weights", "ratio"), WILD.values(), ids=WILD)
def test_budget_is_off_by_less_than_a_tenth_of_a_token_on_factors_up_to_1e25(
    counts, weights, ratio
):
    """As the comments of `inclusion.py` state."""
    (probability,) = solved([counts], weights, ratio)
    assert np.dot(counts, probability) == pytest.approx(ratio * sum(counts), abs=0.1)


@given(st.integers(0, 2**32), st.integers(1, 60))
@random_examples(40)
def test_weights_of_single_positions_meet_the_budget(seed, length):
    """A weight for each position, [B, M], and a ratio for each sequence."""
    rng = np.random.default_rng(seed)
    maskable = rng.random((3, length)) < 0.8
    weights = 10 ** rng.uniform(-12, 12, (3, length)) * (rng.random((3, length)) < 0.8)
    ratio = rng.random((3, 1))
    result = inclusion_probability(
        torch.tensor(maskable), torch.tensor(weights), torch.tensor(ratio)
    ).numpy()
    for i in range(3):
        reference = slow_inclusion(maskable[i], weights[i], float(ratio[i, 0]))
        assert (result[i][weights[i] == 0] == 0).all()
        assert np.dot(maskable[i], np.abs(result[i] - reference)) <= 1e-4 * maskable[i].sum()


@given(st.integers(0, 2**32), st.integers(1, 300), st.floats(0, 2))
@random_examples(40)
def test_weights_of_moderate_spread_meet_the_budget_in_float32(seed, length, spread):
    """To a few millionths of all tokens, for weights up to a factor of 1e4 apart."""
    rng = np.random.default_rng(seed)
    maskable = rng.random((3, length)) < 0.8
    weights = (10 ** rng.uniform(-spread, spread, (3, length))).astype(np.float32)
    ratio = rng.random((3, 1))
    result = inclusion_probability(
        torch.tensor(maskable), torch.tensor(weights), torch.tensor(ratio)
    ).numpy()
    assert result.dtype == np.float32
    for i in range(3):
        reference = slow_inclusion(maskable[i], weights[i], float(ratio[i, 0]))
        at, num_tokens = maskable[i], maskable[i].sum()
        realised = np.dot(at, result[i].astype(float))
        assert abs(realised - ratio[i, 0] * num_tokens) <= 5e-6 * num_tokens
        np.testing.assert_allclose(result[i][at], reference[at], atol=1e-4)


def test_budget_is_met_where_tiny_weights_must_be_taken():
    """The same by one example: the small weights hold more tokens than may stay unselected."""
    counts = [22, 16, 30, 15, 16, 34, 0, 11, 13]
    weights = [9e-4, 1.5e-8, 0.07, 1.2e-6, 0.64, 7.6e-6, 9e-5, 2e-9, 1e-9]
    (probability,) = solved([counts], weights, 0.75)
    assert np.dot(counts, probability) == pytest.approx(0.75 * sum(counts), abs=1e-6 * sum(counts))


@given(budgets(), st.data())
@random_examples(40)
def test_classes_of_weight_zero_are_never_drawn_and_cap_the_budget(budget, data):
    counts, weights, ratio = budget
    zero = data.draw(st.lists(st.booleans(), min_size=len(weights), max_size=len(weights)))
    weights = [0.0 if z else w for w, z in zip(weights, zero, strict=True)]
    for row, probability in zip(counts, solved(counts, weights, ratio), strict=True):
        eligible = sum(n for n, w in zip(row, weights, strict=True) if w > 0)
        expected = min(ratio * sum(row), eligible)
        assert (probability[np.array(weights) == 0] == 0).all()
        assert np.dot(row, probability) == pytest.approx(expected, abs=1e-9 * sum(row))
        if 0 < eligible <= ratio * sum(row):
            assert (probability[np.array(weights) > 0] == 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ratio", [0.0, 0.15, 0.165, 0.1666, 0.2, 0.99, 1.0])
def test_sequence_of_tokens_of_weight_zero_has_probability_zero(ratio, dtype):
    """Whatever its budget, also one of just under a token."""
    counts = torch.tensor([[0, 0], [1, 0], [6, 0], [7, 0], [6, 1]])
    result = inclusion_probability(counts, torch.tensor([0.0, 1.0], dtype=dtype), ratio)
    assert result[:, 0].tolist() == [0.0] * 5
    result = inclusion_probability(counts[:4, :1], torch.zeros(1, dtype=dtype), ratio)
    assert result.tolist() == [[0.0]] * 4


def test_equal_weights_give_the_ratio_and_scale_does_not_matter():
    counts = [[3, 0, 50], [1, 1, 1]]
    for scale in (1e-12, 1e-3, 0.5, 1.0, 40.0, 1e12):
        np.testing.assert_allclose(solved(counts, [scale] * 3, 0.15), 0.15, rtol=1e-12)
    scaled = solved(counts, [0.2, 4.0, 1.0], 0.3)
    np.testing.assert_allclose(solved(counts, [0.02, 0.4, 0.1], 0.3), scaled, rtol=1e-12)


def test_sequence_without_maskable_token_is_a_number():
    result = solved([[0, 0], [5, 5]], [0.2, 0.7], 0.15)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result[1], slow_inclusion([5, 5], [0.2, 0.7], 0.15), atol=1e-12)


@given(budgets(smallest=-3))
@random_examples(50)
def test_other_sequences_do_not_matter(budget):
    """Up to rounding: how long the iteration runs may depend on the others."""
    counts, weights, ratio = budget
    together = solved(counts, weights, ratio)
    for i, row in enumerate(counts):
        np.testing.assert_allclose(solved([row], weights, ratio)[0], together[i], rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_sequences_flip_fewer_than_one_token_in_ten_million(dtype):
    """The mean difference of a threshold is the chance that a draw falls between the two."""
    rng = np.random.default_rng(99)
    weights = torch.tensor(10 ** rng.uniform(-1, 1, (64, 256)), dtype=dtype)
    maskable = torch.tensor(rng.random((64, 256)) < 0.9)
    together = inclusion_probability(maskable, weights, 0.15)
    alone = [
        inclusion_probability(maskable[i : i + 1], weights[i : i + 1], 0.15) for i in range(64)
    ]
    assert float((together - torch.cat(alone)).abs().double().mean()) < 1e-7


@given(budgets(), st.data())
@random_examples(40)
def test_shortfall_is_what_too_few_eligible_tokens_leave_of_the_budgets(budget, data):
    counts, weights, ratio = budget
    zero = data.draw(st.lists(st.booleans(), min_size=len(weights), max_size=len(weights)))
    weights = [0.0 if z else w for w, z in zip(weights, zero, strict=True)]
    expected = 0.0
    for row in counts:
        eligible = sum(n for n, w in zip(row, weights, strict=True) if w > 0)
        expected += max(0.0, ratio * sum(row) - eligible)
    tensors = torch.tensor(counts), torch.tensor(weights, dtype=torch.float64)
    _, result = inclusion_and_shortfall(*tensors, ratio)
    assert float(result.sum()) == pytest.approx(expected, abs=1e-9)
    assert result.dtype == torch.float64

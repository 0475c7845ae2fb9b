"""Selection: the budget equation against root finding, and what is drawn against its law.

Statistical tests are seeded and reject at LEVEL each. Words are made by hand here: the draw of a
word is one integer, repeated over its positions.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from tidemask.masking.selection import (
    count_by_class,
    inclusion_probability,
    select_by_class,
    select_uniform,
)

LEVEL = 1e-4
WEIGHTS = [0.15, 0.85, 0.5, 0.02, 0.5]
"""Of four classes and of the tokens without class."""


def reference(counts, weights, ratio):
    """`pi = 1 - exp(-W tau)`; `tau` by Brent's method on `sum(counts pi) = ratio n`."""
    counts, weights = np.array(counts, float), np.array(weights, float)
    budget = ratio * counts.sum()
    if budget >= counts[weights > 0].sum() * (1 - 1e-15):
        return np.where(weights > 0, 1.0, 0.0)

    def excess(tau):
        return float((counts * -np.expm1(-weights * tau)).sum() - budget)

    high = 1.0
    while excess(high) < 0:
        high *= 2
    tau = optimize.brentq(excess, 0, high, xtol=1e-300, rtol=1e-15, maxiter=2000)
    return -np.expm1(-weights * tau)


def solved(counts, weights, ratio):
    counts, weights = torch.tensor(counts), torch.tensor(weights, dtype=torch.float64)
    return inclusion_probability(counts, weights, ratio).numpy()


@st.composite
def budgets(draw, smallest=-3.0):
    """Counts of up to four sequences, weights from `10**smallest` to 1, and a ratio."""
    num_classes = draw(st.integers(1, 8))
    row = st.lists(st.integers(0, 300), min_size=num_classes, max_size=num_classes)
    counts = draw(st.lists(row.filter(any), min_size=1, max_size=4))
    exponent = st.floats(smallest, 0)
    weight = exponent.map(lambda x: 10**x)
    weights = draw(st.lists(weight, min_size=num_classes, max_size=num_classes))
    return counts, weights, draw(st.floats(0, 1) | st.sampled_from([0.02, 0.15, 0.3, 0.999, 1.0]))


@given(budgets())
@settings(deadline=None, max_examples=300)
def test_inclusion_probability_solves_the_budget_equation(budget):
    counts, weights, ratio = budget
    result = solved(counts, weights, ratio)
    for row, probability in zip(counts, result, strict=True):
        assert np.dot(row, probability) == pytest.approx(ratio * sum(row), abs=1e-9 * sum(row))
        if ratio < 1 - 1e-9:
            np.testing.assert_allclose(probability, reference(row, weights, ratio), atol=1e-9)


@given(budgets())
@settings(deadline=None, max_examples=100)
def test_inclusion_probability_is_a_probability(budget):
    counts, weights, ratio = budget
    for share in (ratio, 0.0, 1.0):
        result = solved(counts, weights, share)
        assert (result >= 0).all()
        assert (result <= 1).all()


@given(budgets(smallest=-9.0))
@settings(deadline=None, max_examples=300)
def test_budget_is_met_with_weights_as_far_apart_as_a_sharp_sigmoid_makes_them(budget):
    """`sharpness=5` and one class far above 16 others give weights from 4e-9 to 1."""
    counts, weights, ratio = budget
    for row, probability in zip(counts, solved(counts, weights, ratio), strict=True):
        assert np.dot(row, probability) == pytest.approx(ratio * sum(row), abs=1e-6 * sum(row))


def test_budget_is_met_where_tiny_weights_must_be_taken():
    """The same by one example: the small weights hold more tokens than may stay unselected."""
    counts = [22, 16, 30, 15, 16, 34, 0, 11, 13]
    weights = [9e-4, 1.5e-8, 0.07, 1.2e-6, 0.64, 7.6e-6, 9e-5, 2e-9, 1e-9]
    (probability,) = solved([counts], weights, 0.75)
    assert np.dot(counts, probability) == pytest.approx(0.75 * sum(counts), abs=1e-6 * sum(counts))


@given(budgets(), st.data())
@settings(deadline=None, max_examples=200)
def test_classes_of_weight_zero_are_never_drawn_and_cap_the_budget(budget, data):
    counts, weights, ratio = budget
    zero = data.draw(st.lists(st.booleans(), min_size=len(weights), max_size=len(weights)))
    weights = [0.0 if z else w for w, z in zip(weights, zero, strict=True)]
    if not any(weights):
        return
    for row, probability in zip(counts, solved(counts, weights, ratio), strict=True):
        eligible = sum(n for n, w in zip(row, weights, strict=True) if w > 0)
        expected = min(ratio * sum(row), eligible)
        assert (probability[np.array(weights) == 0] == 0).all()
        assert np.dot(row, probability) == pytest.approx(expected, abs=1e-9 * sum(row))
        if 0 < eligible <= ratio * sum(row):
            assert (probability[np.array(weights) > 0] == 1).all()


def test_equal_weights_give_the_ratio_and_scale_does_not_matter():
    counts = [[3, 0, 50], [1, 1, 1]]
    for scale in (1e-3, 0.5, 1.0, 40.0):
        np.testing.assert_allclose(solved(counts, [scale] * 3, 0.15), 0.15, rtol=1e-12)
    scaled = solved(counts, [0.2, 4.0, 1.0], 0.3)
    np.testing.assert_allclose(solved(counts, [0.02, 0.4, 0.1], 0.3), scaled, rtol=1e-12)


def test_sequence_without_maskable_token_is_a_number():
    result = solved([[0, 0], [5, 5]], [0.2, 0.7], 0.15)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result[1], reference([5, 5], [0.2, 0.7], 0.15), atol=1e-12)


@pytest.mark.parametrize(
    "wrong", [[0.5, -0.1], [0.5, math.nan], [math.inf, 0.5], [0.0, 0.0]], ids=str
)
def test_wrong_weights_are_refused_with_their_values(wrong):
    with pytest.raises(ValueError, match=r"weights=\["):
        solved([[3, 4]], wrong, 0.15)


@given(st.integers(0, 4), st.integers(0, 20), st.integers(1, 6), st.integers(0, 2**32))
@settings(deadline=None, max_examples=50)
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


class Text:
    """Sequences that are all the same permuted words, so that one `pi` holds for all of them."""

    def __init__(self, rng, words, num_sequences):
        words = np.array(words)
        order = rng.permuted(np.tile(np.arange(len(words)), (num_sequences, 1)), axis=1)
        self.classes, self.lengths = words[order, 0], words[order, 1]
        num_words = self.lengths.size
        self.word = np.repeat(np.arange(num_words), self.lengths.ravel())
        shape = (num_sequences, -1)
        self.bits = rng.integers(0, 2**32, num_words)[self.word].reshape(shape)
        self.token_class = self.classes.ravel()[self.word].reshape(shape)
        self.counts = np.bincount(self.token_class[0], minlength=len(WEIGHTS))
        self.maskable = np.ones(self.bits.shape, bool)

    def selected(self, ratio, weights):
        bits, maskable = torch.tensor(self.bits), torch.tensor(self.maskable)
        if weights is None:
            return select_uniform(bits, maskable, ratio).numpy()
        weights = torch.tensor(weights, dtype=torch.float64)
        classes = torch.tensor(self.token_class)
        return select_by_class(bits, maskable, classes, weights, ratio).numpy()

    def selected_words(self, ratio, weights):
        """Whether each word is selected; fails if one is selected in part."""
        sizes = self.lengths.ravel()
        hits = np.bincount(self.word, self.selected(ratio, weights).ravel())
        assert np.isin(hits, [0, *sizes]).all()
        assert ((hits == 0) | (hits == sizes)).all()
        return (hits > 0).reshape(self.classes.shape)

    def probability(self, ratio, weights):
        """Of each word, by the reference."""
        pi = np.full(len(WEIGHTS), ratio)
        return (pi if weights is None else reference(self.counts, weights, ratio))[self.classes]


def tokens_or_words(rng, unit, num_sequences):
    """Eighty words of five classes; of 1 to 6 subwords, of like lengths in each class."""
    lengths = [1] if unit == "token" else [1, 1, 1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 2, 1, 1, 1]
    words = [(k, lengths[i % len(lengths)]) for k in range(5) for i in range(8 * (k % 2) + 12)]
    return Text(rng, words, num_sequences)


weightings = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["uniform", "weighted"])
units = pytest.mark.parametrize("unit", ["token", "word"])


@weightings
@units
@pytest.mark.parametrize("ratio", [0.02, 0.15, 0.5])
def test_realised_ratio_has_no_bias(unit, weights, ratio):
    """Of 1e6 tokens; the bound is that of a sum of independent words of known probability."""
    text = tokens_or_words(np.random.default_rng(31), unit, 1_000_000 // 145)
    realised = text.selected(ratio, weights).mean()
    pi, size = text.probability(ratio, weights), text.lengths
    variance = float((size**2 * pi * (1 - pi)).sum()) / size.sum() ** 2
    assert (size * pi).sum() / size.sum() == pytest.approx(ratio, abs=1e-9)
    assert abs(realised - ratio) < stats.norm.isf(LEVEL / 2) * math.sqrt(variance)
    assert stats.norm.isf(LEVEL / 2) * math.sqrt(variance) < 4e-3


@units
@pytest.mark.parametrize("ratio", [0.02, 0.15, 0.5])
def test_inclusion_by_class_equals_pi(unit, ratio):
    text = tokens_or_words(np.random.default_rng(32), unit, 3000)
    drawn, pi = text.selected_words(ratio, WEIGHTS), reference(text.counts, WEIGHTS, ratio)
    for k in range(len(WEIGHTS)):
        of_class = drawn[text.classes == k]
        test = stats.binomtest(int(of_class.sum()), of_class.size, pi[k])
        assert test.pvalue > LEVEL / len(WEIGHTS), (k, of_class.mean(), pi[k])


@weightings
@pytest.mark.parametrize("ratio", [0.02, 0.15])
def test_inclusion_does_not_depend_on_the_length_of_a_word(weights, ratio):
    """Chi-square of the drawn words of each length about their known expectation."""
    text = tokens_or_words(np.random.default_rng(33), "word", 3000)
    drawn, pi = text.selected_words(ratio, weights), text.probability(ratio, weights)
    statistic = 0.0
    for length in range(1, 7):
        of_length = text.lengths == length
        variance = (pi * (1 - pi))[of_length].sum()
        statistic += (drawn[of_length].sum() - pi[of_length].sum()) ** 2 / variance
    assert stats.chi2.sf(statistic, 6) > LEVEL, statistic


@weightings
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_ratios_zero_and_one_select_nothing_and_everything(weights, ratio):
    text = tokens_or_words(np.random.default_rng(34), "word", 5)
    text.bits[:, 0], text.bits[:, 1] = 0, 2**32 - 1
    text.maskable[:, 3::7] = False
    np.testing.assert_array_equal(text.selected(ratio, weights), text.maskable * bool(ratio))

"""What the masker draws from keyed noise, against the binomial and chi-square laws at LEVEL."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from tidemask.batch import Batch
from tidemask.masking.corruption import Vocabulary
from tidemask.masking.masker import Masker, MaskingSettings
from tidemask.masking.schedule import Constant
from tidemask.masking.weighting import ByClassLoss, Uniform
from tidemask.noise import StepKey
from tidemask.token_classes import NO_CLASS

LEVEL = 1e-4
NAMES = ("DET", "NOUN", "SYM")
CLASSES = [0, 1, 2, NO_CLASS]
LOSSES = torch.tensor([0.5, 2.5, math.nan])
HIGH = 1 / (1 + math.exp(-math.sqrt(2)))
WEIGHTS = np.array([1 - HIGH, HIGH, 0.5, 0.5])
"""Two seen classes stand one over root two sample deviations from their mean; beta is 2."""
VOCABULARY = Vocabulary.of(50, 4, range(5))
WORDS = [(k, 1 + i % 4) for k, num in enumerate((10, 8, 2, 4)) for i in range(num)]
"""Class and number of subwords of the words of each sequence, and one special token before."""


class Text:
    """Sequences of the same words in another order each: one `pi` for all of them."""

    def __init__(self, num_sequences, seed):
        rng = np.random.default_rng(seed)
        words = np.array(WORDS)
        order = rng.permuted(np.tile(np.arange(len(words)), (num_sequences, 1)), axis=1)
        self.classes, self.lengths = words[order, 0], words[order, 1]
        ends = np.cumsum(self.lengths, axis=1)
        length = 1 + int(ends[0, -1])
        self.starts = 1 + ends - self.lengths
        is_start = np.zeros((num_sequences, length), bool)
        np.put_along_axis(is_start, self.starts, True, axis=1)
        token_class = np.repeat(self.classes.ravel(), self.lengths.ravel())
        token_class = np.array(CLASSES)[token_class].reshape(num_sequences, -1)
        self.counts = np.bincount(words[:, 0], words[:, 1])
        self.batch = Batch(
            input_ids=torch.full((num_sequences, length), 9),
            maskable=torch.arange(length).expand(num_sequences, -1) > 0,
            word_starts=torch.tensor(is_start),
            token_class=torch.nn.functional.pad(
                torch.tensor(token_class, dtype=torch.uint8), (1, 0), value=NO_CLASS
            ),
            sample_ids=torch.arange(num_sequences),
        )

    def masked(self, ratio, unit, content, step=500):
        policy = MaskingSettings(ratio=Constant(ratio=ratio), unit=unit, content=content)
        masker = Masker(policy, VOCABULARY, class_names=NAMES, max_steps=1000)
        return masker(self.batch, progress=0.5, key=StepKey(3, step), class_loss=LOSSES)

    def drawn_words(self, ratio, content):
        selected = self.masked(ratio, "word", content).selected.numpy()
        return np.take_along_axis(selected, self.starts, axis=1)

    def pi(self, ratio):
        """Of each class, by Brent's method on the budget equation."""

        def excess(tau):
            return (self.counts * -np.expm1(-WEIGHTS * tau)).sum() - ratio * self.counts.sum()

        return -np.expm1(-WEIGHTS * optimize.brentq(excess, 0, 1e3, xtol=1e-15))


@pytest.fixture(scope="module")
def text():
    return Text(4000, seed=51)


@pytest.mark.parametrize("ratio", [0.02, 0.15])
def test_function_words_are_masked_less_by_exactly_pi(text, ratio):
    drawn, pi = text.drawn_words(ratio, ByClassLoss()), text.pi(ratio)
    share = [drawn[text.classes == k].mean() for k in range(4)]
    assert share[0] < share[2] < share[1]
    for k in range(4):
        of_class = drawn[text.classes == k]
        test = stats.binomtest(int(of_class.sum()), of_class.size, pi[k])
        assert test.pvalue > LEVEL / 4, (k, share, pi)


def test_single_tokens_are_masked_by_exactly_pi(text):
    selected = text.masked(0.15, "token", ByClassLoss()).selected
    pi = text.pi(0.15)
    for k, token_class in enumerate(CLASSES):
        of_class = selected[(text.batch.token_class == token_class) & text.batch.maskable]
        test = stats.binomtest(int(of_class.sum()), len(of_class), pi[k])
        assert test.pvalue > LEVEL / 4, (k, pi)


def test_classes_are_alike_before_the_blend(text):
    selected = text.masked(0.15, "token", ByClassLoss(), step=40).selected
    for token_class in CLASSES:
        of_class = selected[(text.batch.token_class == token_class) & text.batch.maskable]
        assert stats.binomtest(int(of_class.sum()), len(of_class), 0.15).pvalue > LEVEL / 4


@pytest.mark.parametrize("content", [Uniform(), ByClassLoss()])
@pytest.mark.parametrize("ratio", [0.02, 0.15])
def test_inclusion_by_word_length_is_flat(text, ratio, content):
    drawn = text.drawn_words(ratio, content)
    pi = np.full(4, ratio) if isinstance(content, Uniform) else text.pi(ratio)
    pi = pi[text.classes]
    statistic = 0.0
    for length in range(1, 5):
        of_length = text.lengths == length
        variance = (pi * (1 - pi))[of_length].sum()
        statistic += (drawn[of_length].sum() - pi[of_length].sum()) ** 2 / variance
    assert stats.chi2.sf(statistic, 4) > LEVEL, statistic


@pytest.mark.parametrize("unit", ["token", "word"])
def test_selection_kind_and_random_token_are_independent(text, unit):
    """All selected draws are low, all that choose a random token are alike; the next must not be.

    Of the 45 ordinary ids, 44 are not the original, 9.
    """
    shares, counts = np.array([0.8, 0.1 * 44 / 45, 0.1 + 0.1 / 45]), np.zeros(3)
    random_counts = np.zeros(50)
    for step in range(500, 504):
        masked = text.masked(0.1, unit, Uniform(), step)
        ids = masked.input_ids[masked.selected].numpy()
        counts += [(ids == 4).sum(), ((ids != 4) & (ids != 9)).sum(), (ids == 9).sum()]
        random_counts += np.bincount(ids[(ids != 4) & (ids != 9)], minlength=50)
    assert counts.sum() > 50_000
    assert stats.chisquare(counts, shares * counts.sum()).pvalue > LEVEL / 2
    drawn = np.delete(random_counts, [0, 1, 2, 3, 4, 9])
    assert stats.chisquare(drawn).pvalue > LEVEL / 2
    assert drawn.sum() == random_counts.sum()


@pytest.mark.parametrize("unit", ["token", "word"])
def test_realised_ratio_has_no_bias_over_steps(text, unit):
    """Over 4e6 tokens; the variance is that of independent words of known probability."""
    pi, size = text.pi(0.15)[text.classes], text.lengths
    num_steps, num_tokens = 16, text.lengths.sum()
    squares = size if unit == "token" else size**2
    variance = (squares * pi * (1 - pi)).sum() / num_tokens**2 / num_steps
    selected = [
        int(text.masked(0.15, unit, ByClassLoss(), 500 + step).num_selected())
        for step in range(num_steps)
    ]
    bias = sum(selected) / num_steps / num_tokens - 0.15
    assert num_steps * num_tokens > 3_500_000
    assert abs(bias) < min(1e-3, stats.norm.isf(LEVEL / 2) * math.sqrt(variance))

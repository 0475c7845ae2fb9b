"""What the masker draws from keyed noise, against the binomial and chi-square laws at LEVEL."""

import numpy as np
import pytest
from scipy import stats

from masking_texts import CLASSES, CONTENTS, LATE, WORDS, Text, masked_by, masker_of
from tidemask.masking.schedule import Linear
from tidemask.masking.weighting import ByClassLoss, ByTable, Uniform

LEVEL = 1e-4
CLASS_LOSS = CONTENTS["class loss"]
ratios = pytest.mark.parametrize("ratio", [0.02, 0.15])


@pytest.fixture(scope="module")
def text():
    return Text(WORDS, 4000, seed=51)


def of_class(text, mask, k):
    """The maskable positions of one class."""
    return mask[(text.batch.token_class == CLASSES[k]) & text.batch.maskable]


@ratios
def test_function_words_are_masked_less_by_exactly_pi(text, ratio):
    drawn, pi = text.drawn_words(masker_of(ratio, "word", CLASS_LOSS)), text.pi(ratio, CLASS_LOSS)
    share = [drawn[text.classes == k].mean() for k in range(4)]
    assert share[0] < share[2] < share[1]
    for k in range(4):
        words = drawn[text.classes == k]
        test = stats.binomtest(int(words.sum()), words.size, pi[k])
        assert test.pvalue > LEVEL / 8, (k, share, pi)


@ratios
def test_single_tokens_are_masked_by_exactly_pi(text, ratio):
    selected = masked_by(masker_of(ratio, "token", CLASS_LOSS), text.batch).selected
    pi = text.pi(ratio, CLASS_LOSS)
    for k in range(4):
        tokens = of_class(text, selected, k)
        test = stats.binomtest(int(tokens.sum()), len(tokens), pi[k])
        assert test.pvalue > LEVEL / 8, (k, pi)


@ratios
@pytest.mark.parametrize("content", ["uniform", "class loss"])
def test_inclusion_by_word_length_is_flat(text, ratio, content):
    content = CONTENTS[content]
    drawn = text.drawn_words(masker_of(ratio, "word", content))
    pi = text.pi(ratio, content)[text.classes]
    statistic = 0.0
    for length in range(1, 5):
        of_length = text.lengths == length
        variance = (pi * (1 - pi))[of_length].sum()
        statistic += (drawn[of_length].sum() - pi[of_length].sum()) ** 2 / variance
    assert stats.chi2.sf(statistic, 4) > LEVEL / 4, statistic


@ratios
def test_inclusion_by_length_is_flat_at_single_tokens(text, ratio):
    """The chance of a token under the unit `token`, by the length of the word it belongs to."""
    selected = masked_by(masker_of(ratio, "token", CLASS_LOSS), text.batch).selected.numpy()[:, 1:]
    length = np.repeat(text.lengths.ravel(), text.lengths.ravel()).reshape(selected.shape)
    classes = np.repeat(text.classes.ravel(), text.lengths.ravel()).reshape(selected.shape)
    pi = text.pi(ratio, CLASS_LOSS)[classes]
    statistic = sum(
        (selected - pi)[length == n].sum() ** 2 / (pi * (1 - pi))[length == n].sum()
        for n in range(1, 5)
    )
    assert stats.chi2.sf(statistic, 4) > LEVEL / 2, statistic


def test_fixed_budget_masks_long_words_less(text):
    """The documented price of the fixed budget; its exact law is in test_fixed_enumeration.py."""
    drawn = text.drawn_words(masker_of(0.05, "word", budget="fixed"))
    share = [drawn[text.lengths == length].mean() for length in range(1, 5)]
    assert share[0] > share[1] > share[2] > share[3] > 0


@pytest.mark.parametrize(
    ("content", "step", "progress"),
    [
        (ByClassLoss(), 40, 0.04),
        (ByClassLoss(blend=Linear(start=0.0, end=1.0)), LATE, 0.0),
        (ByTable(weights={"NOUN": 5.0}, blend=Linear(start=0.0, end=1.0)), LATE, 0.0),
    ],
    ids=["first horizon", "blend of the loss", "blend of the table"],
)
def test_classes_are_alike_before_the_blend(text, content, step, progress):
    masker = masker_of(0.15, "token", content)
    selected = masked_by(masker, text.batch, step=step, progress=progress).selected
    for k in range(4):
        tokens = of_class(text, selected, k)
        assert stats.binomtest(int(tokens.sum()), len(tokens), 0.15).pvalue > LEVEL / 12


def test_selections_of_neighbouring_words_are_independent(text):
    """Counts of both, either or neither of two adjacent words against the product of their laws."""
    drawn = text.drawn_words(masker_of(0.3, "word"))
    pairs = np.bincount((2 * drawn[:, :-1:2] + drawn[:, 1::2]).ravel(), minlength=4)
    expected = np.array([0.49, 0.21, 0.21, 0.09]) * pairs.sum()
    assert stats.chisquare(pairs, expected).pvalue > LEVEL


@pytest.mark.parametrize("unit", ["token", "word"])
def test_selection_kind_and_random_token_are_independent(text, unit):
    """All selected draws are low, all that choose a random token are alike; the next must not be.

    Of the 45 ordinary ids, 44 are not the original, 9.
    """
    shares, counts = np.array([0.8, 0.1 * 44 / 45, 0.1 + 0.1 / 45]), np.zeros(3)
    random_counts = np.zeros(50)
    masker = masker_of(0.1, unit, Uniform())
    for step in range(500, 504):
        masked = masked_by(masker, text.batch, step=step)
        ids = masked.input_ids[masked.selected].numpy()
        counts += [(ids == 4).sum(), ((ids != 4) & (ids != 9)).sum(), (ids == 9).sum()]
        random_counts += np.bincount(ids[(ids != 4) & (ids != 9)], minlength=50)
    assert counts.sum() > 50_000
    assert stats.chisquare(counts, shares * counts.sum()).pvalue > LEVEL / 4
    drawn = np.delete(random_counts, [0, 1, 2, 3, 4, 9])
    assert stats.chisquare(drawn).pvalue > LEVEL / 4
    assert drawn.sum() == random_counts.sum()

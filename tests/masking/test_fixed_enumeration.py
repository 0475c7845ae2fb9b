"""The fixed budget against exact enumeration (docs/methods/budgets.md).

The race takes words in random order, the next with the share of its weight among those left,
until one crosses the budget; that one stays with probability `remaining / size`. All orders of a
few words are enumerated, which gives the probability of every set of words, and what the masker
draws is held to it by chi-square at LEVEL over the size of the grid.
"""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
from scipy import stats

from masking_texts import WEIGHTS, Text, masker_of
from tidemask.masking.weighting import ByClassLoss, ByTable, Uniform

LEVEL = 1e-4
TEXTS = {
    "mixed": [(0, 1), (1, 2), (2, 3), (3, 1), (1, 4)],
    "short and long": [(0, 1), (1, 1), (0, 6), (2, 6)],
    "alike": [(1, 2)] * 4,
    "tokens": [(0, 1), (1, 1), (2, 1), (3, 1), (0, 1), (1, 1)],
    "one word": [(1, 5)],
}
TABLE = ByTable(weights={"DET": 0.05, "NOUN": 4.0}, others=1.0)
ZERO = ByTable(weights={"DET": 0.0, "NOUN": 2.0, "SYM": 0.5}, others=1.0)
CONTENTS = {
    "uniform": (Uniform(), np.ones(4)),
    "class loss": (ByClassLoss(), WEIGHTS),
    "table": (TABLE, np.array([0.05, 4.0, 1.0, 1.0])),
    "zero": (ZERO, np.array([0.0, 2.0, 0.5, 1.0])),
}
RATIOS = [0.02, 0.15, 0.3, 0.5, 0.85]
GRID = list(product(TEXTS, CONTENTS, RATIOS))
QUICK = list(product(["mixed", "tokens"], ["uniform", "class loss"], [0.02, 0.15, 0.5]))


def enumerated(words, weights, ratio):
    """Probability of each set of words."""
    outcomes = defaultdict(float)
    weights = [weights[k] for k, _ in words]
    sizes = [size for _, size in words]
    budget = ratio * sum(sizes)

    def race(taken, remaining, probability):
        left = [i for i in range(len(words)) if i not in taken and weights[i] > 0]
        if not left or remaining <= 1e-12:
            outcomes[frozenset(taken)] += probability
            return
        total = sum(weights[i] for i in left)
        for i in left:
            chance = probability * weights[i] / total
            if sizes[i] <= remaining:
                race([*taken, i], remaining - sizes[i], chance)
            else:
                stays = remaining / sizes[i]
                outcomes[frozenset([*taken, i])] += chance * stays
                outcomes[frozenset(taken)] += chance * (1 - stays)

    race([], budget, 1.0)
    assert sum(outcomes.values()) == pytest.approx(1)
    return {words: probability for words, probability in outcomes.items() if probability > 0}


def test_enumeration_by_hand():
    """Two words of one and three tokens, a budget of one: half the orders begin with each."""
    outcomes = enumerated([(0, 1), (0, 3)], [1.0] * 4, 0.25)
    expected = {frozenset([0]): 1 / 2, frozenset([1]): 1 / 6, frozenset(): 1 / 3}
    assert outcomes == pytest.approx(expected)


def assert_enumerated(words, content, ratio, num_sequences):
    words, (content, weights) = TEXTS[words], CONTENTS[content]
    outcomes = enumerated(words, weights, ratio)
    text = Text(words, num_sequences, seed=95)
    drawn = text.drawn_words(masker_of(ratio, "word", content, budget="fixed"))
    codes = np.bincount((drawn << text.order).sum(1), minlength=1 << len(words))
    observed, expected = [], []
    for taken, probability in outcomes.items():
        code = sum(1 << i for i in taken)
        observed.append(codes[code])
        expected.append(probability * num_sequences)
        codes[code] = 0
    assert codes.sum() == 0, f"impossible sets {np.flatnonzero(codes)}"
    observed, expected = pooled(np.array(observed), np.array(expected))
    if len(expected) > 1:
        pvalue = stats.chisquare(observed, expected).pvalue
        assert pvalue > LEVEL / len(GRID) / 2, (observed, expected)


def pooled(observed, expected):
    """All sets of fewer than five expected in one; where that is still too few, in the next."""
    order = np.argsort(expected)
    observed, expected = observed[order], expected[order]
    rare = max(int((expected < 5).sum()), int((np.cumsum(expected) < 5).sum()) + 1)
    first = [[values[:rare].sum()] for values in (observed, expected)]
    return np.append(first[0], observed[rare:]), np.append(first[1], expected[rare:])


@pytest.mark.parametrize(("words", "content", "ratio"), QUICK)
def test_drawn_sets_of_words_obey_the_enumeration(words, content, ratio):
    assert_enumerated(words, content, ratio, 4000)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "content", "ratio"), GRID)
def test_drawn_sets_of_all_texts_obey_the_enumeration(words, content, ratio):
    assert_enumerated(words, content, ratio, 10_000)


@pytest.mark.parametrize("ratio", [0.02, 0.15])
@pytest.mark.parametrize("content", ["uniform", "class loss"])
def test_inclusion_by_length_equals_the_enumeration(content, ratio):
    """Of words of one to four tokens, all of one class, as a table of length against chance."""
    content, weights = CONTENTS[content]
    words = [(1, 1), (1, 1), (1, 2), (1, 3), (1, 4)]
    outcomes = enumerated(words, weights, ratio)
    text = Text(words, 5000, seed=96)
    drawn = text.drawn_words(masker_of(ratio, "word", content, budget="fixed"))
    for i in range(len(words)):
        chance = sum(p for taken, p in outcomes.items() if i in taken)
        hits = int(drawn[text.order == i].sum())
        assert stats.binomtest(hits, 5000, chance).pvalue > LEVEL / 20, (i, chance)

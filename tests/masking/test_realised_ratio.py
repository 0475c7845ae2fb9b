"""The realised share of maskable tokens against the schedule, for every unit, weighting and budget.

Sequences are independent, so the sum of what each masks beyond its budget is normal, with the
variance that the sequences themselves show; each test rejects at LEVEL over the size of its grid.
"""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from cases import one_in
from masking_texts import CONTENTS, ONLY_NOUNS, UNITS, masked_by, masker_of, random_batch, repeated
from tidemask.masking.schedule import Linear

LEVEL = 1e-4
GRID = list(product(UNITS, CONTENTS, ["expected", "fixed"]))


@pytest.fixture(scope="module")
def batch():
    """A quarter of a million maskable tokens: words of any class, special tokens, documents."""
    return random_batch(np.random.default_rng(91), 2000, 128, documents=0.02)


def beyond_budget(masker, batch, num_steps, progress=0.5):
    """Masked tokens of each sequence minus its budget; and the number of maskable tokens."""
    budget = masker.ratio(progress) * batch.maskable.sum(1).double()
    excess = [
        masked_by(masker, batch, step=500 + step, progress=progress).corrupted.sum(1) - budget
        for step in range(num_steps)
    ]
    return torch.cat(excess).numpy(), num_steps * int(batch.maskable.sum())


def assert_unbiased(masker, batch, num_steps, num_tests, allowed=1e-3, **at):
    excess, num_tokens = beyond_budget(masker, batch, num_steps, **at)
    deviation = float(np.sqrt((excess**2).sum()))
    bound = stats.norm.isf(LEVEL / num_tests / 2) * deviation / num_tokens
    assert bound < allowed, f"{num_tokens} tokens are too few: {bound}"
    assert abs(excess.sum() / num_tokens) < bound
    return num_tokens


@pytest.mark.parametrize(("unit", "content", "budget"), one_in(5, GRID, ids="-".join))
def test_realised_ratio_has_no_bias(batch, unit, content, budget):
    """Over a million tokens in all; the bound of each test alone is wider."""
    masker = masker_of(0.15, unit, CONTENTS[content], budget=budget)
    assert_unbiased(masker, batch, 1, len(GRID), allowed=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "content", "budget"), GRID[::3], ids=map("-".join, GRID[::3]))
def test_bias_is_under_a_thousandth(batch, unit, content, budget):
    """Method.md, section 5: as many tokens as it takes to tell, at least a million.

    Each value of each axis of the grid takes part; the test above has every cell, less precisely.
    """
    masker = masker_of(0.15, unit, CONTENTS[content], budget=budget)
    num_steps = 10 if budget == "fixed" else {"token": 14, "word": 28}.get(unit, 95)
    assert assert_unbiased(masker, batch, num_steps, len(GRID)) > 1_000_000


@pytest.mark.parametrize("progress", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("budget", ["expected", "fixed"])
def test_realised_ratio_follows_the_schedule(batch, budget, progress):
    masker = masker_of(Linear(start=0.3, end=0.02), "word", CONTENTS["class loss"], budget=budget)
    assert_unbiased(masker, batch, 2, 8, allowed=1e-2, progress=progress)


@pytest.mark.parametrize(
    ("unit", "budget", "ratio"), one_in(5, product(UNITS, ["expected", "fixed"], [0.02, 0.15, 0.6]))
)
def test_shortfall_is_what_is_missing(batch, unit, budget, ratio):
    """Where only nouns may be masked, budgets are capped; what is masked and the shortfall agree.

    The excess over all sequences plus the shortfall is 0 in expectation.
    """
    masker = masker_of(ratio, unit, ONLY_NOUNS, budget=budget)
    masked = masked_by(masker, batch)
    excess, _ = beyond_budget(masker, batch, 1)
    deviation = np.std(excess) * np.sqrt(len(excess))
    total = excess.sum() + float(masked.shortfall)
    assert abs(total) <= stats.norm.isf(LEVEL / 24 / 2) * deviation


@pytest.mark.parametrize(("unit", "content"), one_in(5, product(UNITS, CONTENTS), ids="-".join))
def test_expected_number_of_each_sequence_is_its_budget(unit, content):
    """Nine sequences of odd kinds 1,000 times each: chi-square of their mean excess."""
    few = random_batch(np.random.default_rng(92), 9, 40, documents=0.05)
    few.word_starts[0] = True
    few.word_starts[1] = False
    few.token_class[2] = 0
    few.maskable[3, 2:] = False
    few.maskable[3, 0] = True
    batch = repeated(few, 1000)
    excess, _ = beyond_budget(masker_of(0.15, unit, CONTENTS[content]), batch, 1)
    excess = excess.reshape(1000, 9)
    z = excess.mean(0) / (excess.std(0, ddof=1) / np.sqrt(1000))
    assert stats.chi2.sf((z**2).sum(), 9) > LEVEL / 24, z

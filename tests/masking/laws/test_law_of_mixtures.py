"""Mixtures: the chance of a unit is the mean of its chances under each part, by their shares.

The chances are those of `law_policies`, solved by bisection for each part; what is drawn is held
against them by binomial bounds, at LEVEL over all that a test looks at.
"""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from cases import all_cases
from law_policies import MIXTURES, masked_by, masker_of, mixed_inclusion, text
from masking_texts import repeated

LEVEL = 1e-5
UNITS_OF_A_ROW = ("token", "word", "group")
"""Units that the text alone decides; spans are drawn again at each step."""


@pytest.fixture(scope="module")
def batch():
    return text(6, 48, seed=1)


def parts(name):
    return [(part.share, part.content) for part in MIXTURES[name].parts]


@all_cases("ratio", [0.03, 0.15, 0.7])
@all_cases("unit", UNITS_OF_A_ROW)
@all_cases("name", [*MIXTURES])
def test_law_of_mixtures_chances_are_those_of_bisection(batch, name, unit, ratio):
    """At selected positions, many times each, the loss weight is one over the chance."""
    masker = masker_of(ratio, unit, MIXTURES[name], loss_weight="inverse_inclusion")
    expected = mixed_inclusion(parts(name), batch, unit, ratio)
    masked = masked_by(masker, repeated(batch, 20))
    at, wide = masked.selected.numpy(), np.tile(expected, (20, 1))
    assert not at[wide == 0].any()
    np.testing.assert_allclose(1 / masked.loss_weight.numpy()[at], wide[at], rtol=3e-4)
    assert at.reshape(20, *expected.shape).any(0).sum() > 0.2 * (expected > 0).sum()


@pytest.mark.slow
@all_cases("ratio", [0.15, 0.5])
@all_cases("unit", UNITS_OF_A_ROW)
@all_cases("name", [*MIXTURES])
def test_law_of_mixtures_units_are_drawn_by_their_chances(batch, name, unit, ratio):
    times, (num_sequences, length) = 1000, batch.input_ids.shape
    expected = mixed_inclusion(parts(name), batch, unit, ratio)
    masked = masked_by(masker_of(ratio, unit, MIXTURES[name]), repeated(batch, times))
    drawn = masked.selected.numpy().reshape(times, num_sequences, length).sum(0)
    above = stats.binom.sf(drawn - 1, times, np.minimum(expected + 1e-5, 1))
    below = stats.binom.cdf(drawn, times, np.maximum(expected - 1e-5, 0))
    assert np.minimum(above, below).min() > LEVEL / (2 * expected.size)
    z = (drawn - times * expected) / np.sqrt(times * expected * (1 - expected) + 1e-9)
    assert (z[(expected > 0.01) & (expected < 0.99)] ** 2).mean() < 1.6  # and not all at the bound


@all_cases("ratio", [0.07, 0.5])
@all_cases("name", [*MIXTURES])
@all_cases("unit", ["span of words", "span of tokens", "word"])
def test_law_of_mixtures_chances_are_the_means_of_those_of_the_parts_alone(name, unit, ratio):
    """What all parts select alone has a chance under each; spans have the same borders."""
    batch, loss_weight = text(16, 96, seed=2), "inverse_inclusion"
    mixed = masked_by(masker_of(ratio, unit, MIXTURES[name], loss_weight=loss_weight), batch)
    alone = [
        (share, masked_by(masker_of(ratio, unit, content, loss_weight=loss_weight), batch))
        for share, content in parts(name)
    ]
    by_all = torch.stack([masked.selected for _, masked in alone]).all(0)
    by_any = torch.stack([masked.selected for _, masked in alone]).any(0)
    assert by_all.any()
    assert (mixed.selected | ~by_all).all()
    assert (by_any | ~mixed.selected).all()
    mean = sum(share / masked.loss_weight[by_all] for share, masked in alone)
    torch.testing.assert_close(1 / mixed.loss_weight[by_all], mean, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ratio", [0.3, 0.6])
def test_law_of_mixtures_shortfall_is_that_of_the_chances(batch, ratio):
    """A fifth of the classes have a weight in one part, so that its budget is capped."""
    for unit in UNITS_OF_A_ROW:
        chances = mixed_inclusion(parts("part of weight 0"), batch, unit, ratio)
        missing = ratio * float(batch.maskable.sum()) - chances.sum()
        masked = masked_by(masker_of(ratio, unit, MIXTURES["part of weight 0"]), batch)
        assert missing > 5 or unit != "token"
        assert float(masked.shortfall) == pytest.approx(missing, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "unit"),
    [pair for i, pair in enumerate(product(MIXTURES, UNITS_OF_A_ROW)) if i % 2 == 0],
)
def test_law_of_mixtures_reweighted_sums_are_unbiased(batch, name, unit):
    """Any sum over the tokens that can be selected, here of a number by id, to 4.5 errors."""
    times = 2000
    masker = masker_of(0.2, unit, MIXTURES[name], loss_weight="inverse_inclusion")
    masked = masked_by(masker, repeated(batch, times))
    values = (batch.input_ids.double() / 97).repeat(times, 1) * masked.maskable
    estimates = (values * masked.loss_weight * masked.selected).sum(1).reshape(times, -1).numpy()
    selectable = mixed_inclusion(parts(name), batch, unit, 0.2) > 0
    exact = (batch.input_ids.numpy() / 97 * selectable).sum(1)
    error = estimates.std(0, ddof=1) / np.sqrt(times)
    assert (np.abs(estimates.mean(0) - exact) < 4.5 * error).all()
    assert (error < 0.05 * exact).all()

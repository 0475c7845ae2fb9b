"""Mixtures of ratios per sequence against their law: Kolmogorov-Smirnov at LEVEL."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from masking_texts import masked_by, masker_of, random_batch
from tidemask.masking.noise import Purpose, StepKey, Streams
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.sequence_draws import ratio_of_sequences
from tidemask.masking.sequence_ratio import BetaAround, RatioMixture, RatioPart, Same, UniformAround

LEVEL = 1e-4
NUM_SEQUENCES = 20_000
ESM3 = RatioMixture(
    parts=(
        RatioPart(share=0.8, mean=0.25, of=BetaAround(concentration=12.0)),
        RatioPart(share=0.2, mean=0.5, of=UniformAround(half_width=0.5)),
    )
)
"""80 % Beta(3, 9), whose mean is 1/4, and 20 % uniform on (0, 1], at a mean of 0.3."""


def ratios(mixture, ratio, *, num_sequences=NUM_SEQUENCES, step=7, first=0):
    samples = torch.arange(first, first + num_sequences)
    streams = Streams(StepKey(11, step), samples, [Purpose.SEQUENCE_RATIO, Purpose.PART])
    result = ratio_of_sequences(mixture, ratio, streams, torch.device("cpu"))
    assert result.dtype == torch.float64
    return result[:, 0].numpy()


def test_mixture_of_esm3_follows_its_law():
    drawn = ratios(ESM3, 0.3)
    beta, uniform = stats.beta(3, 9), stats.uniform()

    def law(x):
        return 0.8 * beta.cdf(x) + 0.2 * uniform.cdf(x)

    assert stats.kstest(drawn, law).pvalue > LEVEL
    assert drawn.mean() == pytest.approx(0.3, abs=0.006)


@pytest.mark.parametrize("ratio", [0.03, 0.15, 0.3])
def test_mean_of_a_mixture_is_the_scheduled_ratio(ratio):
    drawn = ratios(ESM3, ratio)
    error = drawn.std(ddof=1) / math.sqrt(NUM_SEQUENCES)
    assert abs(drawn.mean() - ratio) < stats.norm.isf(LEVEL / 6) * error
    assert ESM3.means(ratio) == pytest.approx([ratio * 5 / 6, ratio * 5 / 3])


def test_ratio_of_a_mixture_is_decided_by_the_sequence_and_the_step():
    drawn = ratios(ESM3, 0.3, num_sequences=50)
    np.testing.assert_array_equal(ratios(ESM3, 0.3, num_sequences=20, first=30), drawn[30:])
    assert (ratios(ESM3, 0.3, num_sequences=50, step=8) != drawn).all()


def test_mixture_of_one_distribution_draws_its_bits():
    alone = RatioMixture(parts=(RatioPart(share=1.0, mean=7.0, of=BetaAround()),))
    streams = Streams(StepKey(11, 7), torch.arange(50), [Purpose.SEQUENCE_RATIO])
    expected = ratio_of_sequences(BetaAround(), 0.3, streams, torch.device("cpu"))[:, 0]
    np.testing.assert_array_equal(ratios(alone, 0.3, num_sequences=50), expected.numpy())


def test_a_ratio_of_zero_masks_nothing():
    assert (ratios(ESM3, 0.0, num_sequences=50) == 0).all()


def test_shares_are_those_of_the_parts():
    two = RatioMixture(
        parts=(RatioPart(share=0.3, mean=1.0, of=Same()), RatioPart(share=0.7, mean=2.0, of=Same()))
    )
    low, high = two.means(0.2)
    drawn = ratios(two, 0.2)
    assert set(drawn) == {low, high}
    assert stats.binomtest(int((drawn == low).sum()), NUM_SEQUENCES, 0.3).pvalue > LEVEL
    assert two.interval(0.2) == (low, high)


def test_sequences_are_masked_by_their_own_ratio():
    batch = random_batch(np.random.default_rng(99), 300, 400, maskable=1.0)
    masker = masker_of(Linear(start=0.4, end=0.2), "token", per_sequence=ESM3, budget="fixed")
    masked = masked_by(masker, batch).corrupted.sum(1).numpy()
    streams = Streams(StepKey(1, 500), batch.sample_ids, [Purpose.SEQUENCE_RATIO, Purpose.PART])
    ratio = ratio_of_sequences(ESM3, masker.ratio(0.5), streams, torch.device("cpu"))[:, 0].numpy()
    assert (np.abs(masked - 400 * ratio) < 1).all()


def test_interval_reaches_over_those_of_the_parts():
    low, high = ESM3.interval(0.3)
    assert (low, high) == (pytest.approx(0.0), pytest.approx(1.0))


def test_a_part_whose_mean_would_be_above_one_is_refused():
    """At 0.3 its uniform part has the mean 0.5; at 0.8 it would have 4 / 3."""
    message = r"^per_sequence: a part has a mean ratio of 1.33333 at progress 0, .* gives 0.8\."
    with pytest.raises(ValueError, match=message):
        MaskingSettings(ratio=Constant(ratio=0.8), per_sequence=ESM3)
    with pytest.raises(ValueError, match=r"mean ratio of 1.00833 at progress 0.61"):
        MaskingSettings(ratio=Linear(start=0.3, end=0.8), per_sequence=ESM3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 1.5}, r"share=1.5\. Expected a number from 0 to 1"),
        ({"mean": 0.0}, r"mean=0\. Expected a number from 1e-06 to 1e\+06"),
        ({"mean": 5e-324}, r"mean=4.94066e-324\. Expected a number from"),
        ({"mean": 1e308}, r"mean=1e\+308\. Expected a number from"),
        ({"mean": math.inf}, r"mean=inf\. Expected a number from"),
    ],
)
def test_wrong_part_of_ratios_is_refused_with_its_value(wrong, message):
    with pytest.raises(ValueError, match=message):
        RatioPart(**{"share": 0.5, "of": Same(), **wrong})


def test_shares_of_ratios_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match=r"^parts: the shares 0.5 add up to 0.5 at progress 0\."):
        RatioMixture(parts=(RatioPart(share=0.5, of=Same()),))

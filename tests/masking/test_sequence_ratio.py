"""Ratios per sequence against their distributions: Kolmogorov-Smirnov at LEVEL."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from cases import all_cases
from masking_texts import masked_by, masker_of, random_batch
from tidemask.masking.noise import Purpose, StepKey, Streams
from tidemask.masking.schedule import Linear
from tidemask.masking.sequence_draws import ratio_of_sequences
from tidemask.masking.sequence_ratio import (
    DISTRIBUTIONS,
    BetaAround,
    RatioMixture,
    RatioPart,
    Same,
    UniformAround,
)
from tidemask.studies.budget import mean_up_to

LEVEL = 1e-4
NUM_SEQUENCES = 20_000


def ratios(per_sequence, ratio, *, num_sequences=NUM_SEQUENCES, step=7, first=0):
    samples = torch.arange(first, first + num_sequences)
    streams = Streams(StepKey(11, step), samples, [Purpose.SEQUENCE_RATIO])
    result = ratio_of_sequences(per_sequence, ratio, streams, torch.device("cpu"))
    if isinstance(result, float):
        return np.full(num_sequences, result)
    assert result.dtype == torch.float64
    assert result.shape == (num_sequences, 1)
    return result[:, 0].numpy()


def test_same_ratio_for_all_is_a_number():
    streams = Streams(StepKey(0, 0), torch.arange(3), [])
    assert ratio_of_sequences(Same(), 0.15, streams, torch.device("cpu")) == 0.15


UNIFORM = [(0.5, 0.5, 0, 1), (0.15, 0.05, 0.1, 0.2), (0.15, 0.5, 0, 0.3), (0.9, 0.5, 0.8, 1)]


@pytest.mark.parametrize(("ratio", "half_width", "low", "high"), UNIFORM)
def test_uniform_ratios_fill_the_interval_and_keep_its_middle(ratio, half_width, low, high):
    """It is narrowed on both sides where it would leave [0, 1]; the lower end is left out."""
    drawn = ratios(UniformAround(half_width=half_width), ratio)
    assert drawn.min() > low - 1e-15
    assert drawn.max() <= high + 1e-15
    assert stats.kstest(drawn, "uniform", (low, high - low)).pvalue > LEVEL / len(UNIFORM)
    interval = UniformAround(half_width=half_width).interval(ratio)
    np.testing.assert_allclose(interval, (low, high), atol=1e-15)


def test_uniform_ratios_of_masked_diffusion_are_above_zero_and_reach_one():
    """On (0, 1]: the draw 0 becomes 2**-31, the last one 1."""
    drawn = ratios(UniformAround(half_width=0.5), 0.5, num_sequences=200_000)
    assert drawn.min() > 0
    assert 1 - 1e-3 < drawn.max() <= 1


@pytest.mark.parametrize(
    ("mean", "concentration"),
    [
        (0.15, 10.0),
        (0.5, 2.0),
        (0.3, 1.0),
        (0.02, 10.0),
        (0.15, 0.3),
        (0.9, 5.0),
        (0.4, 1000.0),
        (0.01, 1.0),
        (0.5, 0.05),
    ],
)
def test_beta_ratios_follow_their_law(mean, concentration):
    """With mean `r` and concentration `c`, it is Beta(c r, c (1 - r)), also for shapes far below 1.

    Within 1e-12 of 0 and 1 floating point keeps no more of the law; there, shares are compared.
    """
    drawn = ratios(BetaAround(concentration=concentration), mean)
    law = stats.beta(concentration * mean, concentration * (1 - mean))
    assert np.isfinite(drawn).all()
    assert (drawn >= 0).all()
    assert (drawn <= 1).all()
    edge = 1e-12
    inside = drawn[(drawn > edge) & (drawn < 1 - edge)]
    below, above = law.cdf(edge), law.sf(1 - edge)
    for hits, chance in (((drawn <= edge).sum(), below), ((drawn >= 1 - edge).sum(), above)):
        assert stats.binomtest(int(hits), NUM_SEQUENCES, float(chance)).pvalue > LEVEL / 27
    within = (law.cdf(inside) - below) / (1 - below - above)
    assert stats.kstest(within, "uniform").pvalue > LEVEL / 27


@pytest.mark.parametrize("ratio", [0.02, 0.15, 0.5, 0.97])
@pytest.mark.parametrize(
    "per_sequence", [UniformAround(), BetaAround(), BetaAround(concentration=1.0)]
)
def test_mean_ratio_is_the_scheduled_one(per_sequence, ratio):
    drawn = ratios(per_sequence, ratio)
    error = drawn.std(ddof=1) / math.sqrt(NUM_SEQUENCES)
    assert abs(drawn.mean() - ratio) < stats.norm.isf(LEVEL / 12 / 2) * error


@pytest.mark.parametrize("per_sequence", [UniformAround(), BetaAround()])
def test_ratio_is_decided_by_the_sequence_and_the_step(per_sequence):
    drawn = ratios(per_sequence, 0.3, num_sequences=50)
    np.testing.assert_array_equal(ratios(per_sequence, 0.3, num_sequences=20, first=30), drawn[30:])
    assert (ratios(per_sequence, 0.3, num_sequences=50, step=8) != drawn).all()
    assert len(set(drawn)) == 50


@pytest.mark.parametrize("ratio", [0.0, 1.0])
@pytest.mark.parametrize("per_sequence", [UniformAround(), BetaAround(), Same()])
def test_ratios_zero_and_one_are_the_same_for_all(per_sequence, ratio):
    assert (ratios(per_sequence, ratio, num_sequences=5) == ratio).all()


@pytest.mark.parametrize("budget", ["expected", "fixed"])
@pytest.mark.parametrize("per_sequence", [UniformAround(), BetaAround(concentration=3.0)])
def test_each_sequence_is_masked_by_its_own_ratio(per_sequence, budget):
    """The masked tokens of long sequences against the ratios of the same key."""
    batch = random_batch(np.random.default_rng(97), 300, 400, maskable=1.0)
    masker = masker_of(0.3, "token", per_sequence=per_sequence, budget=budget)
    masked = masked_by(masker, batch).corrupted.sum(1).numpy()
    streams = Streams(StepKey(1, 500), batch.sample_ids, [Purpose.SEQUENCE_RATIO])
    ratio = ratio_of_sequences(per_sequence, 0.3, streams, torch.device("cpu"))[:, 0].numpy()
    if budget == "fixed":
        assert (np.abs(masked - 400 * ratio) < 1).all()
    else:
        statistic = ((masked - 400 * ratio) ** 2 / (400 * ratio * (1 - ratio))).sum()
        assert LEVEL / 4 < stats.chi2.cdf(statistic, 300) < 1 - LEVEL / 4


def test_ratios_follow_the_schedule():
    batch = random_batch(np.random.default_rng(98), 500, 200, maskable=1.0)
    masker = masker_of(Linear(start=0.6, end=0.1), "token", per_sequence=UniformAround())
    for progress, high in ((0.0, 1.0), (1.0, 0.2)):
        share = masked_by(masker, batch, progress=progress).corrupted.double().mean(1).numpy()
        mean, deviation = masker.ratio(progress), share.std(ddof=1)
        assert abs(share.mean() - mean) < stats.norm.isf(LEVEL / 4) * deviation / math.sqrt(500)
        assert 0.8 * high < share.max() <= min(1.0, 1.6 * high)


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (UniformAround, {"half_width": 0.0}, "half_width=0"),
        (UniformAround, {"half_width": 0.6}, r"half_width=0\.6"),
        (UniformAround, {"half_width": math.nan}, "half_width=nan"),
        (BetaAround, {"concentration": 0.0}, "concentration=0"),
        (BetaAround, {"concentration": math.inf}, "concentration=inf"),
        (BetaAround, {"concentration": math.nan}, "concentration=nan"),
    ],
)
def test_wrong_distribution_is_refused_with_its_value(kind, wrong, message):
    with pytest.raises(ValueError, match=message):
        kind(**wrong)


def test_table_names_each_distribution_as_the_setting_does():
    assert {kind.distribution: kind for kind in DISTRIBUTIONS.values()} == DISTRIBUTIONS


ESM3 = RatioMixture(
    parts=(
        RatioPart(share=0.8, mean=0.25, of=BetaAround(concentration=12.0)),
        RatioPart(share=0.2, mean=0.5, of=UniformAround(half_width=0.5)),
    )
)


@all_cases("limit", [0.0, 0.1, 0.15, 0.3, 0.9, 1.0])
@all_cases("ratio", [0.15, 0.3])
@all_cases("distribution", [Same(), UniformAround(half_width=0.1), BetaAround(), ESM3])
def test_mean_up_to_a_limit_is_that_of_the_draws(distribution, ratio, limit):
    streams = Streams(
        StepKey(11, 7), torch.arange(NUM_SEQUENCES), [Purpose.SEQUENCE_RATIO, Purpose.PART]
    )
    drawn = ratio_of_sequences(distribution, ratio, streams, torch.device("cpu"))
    limited = np.minimum(np.broadcast_to(drawn, (NUM_SEQUENCES, 1)), limit)
    error = limited.std() / math.sqrt(NUM_SEQUENCES)
    assert abs(mean_up_to(limit, distribution, ratio) - limited.mean()) <= 4.5 * error + 1e-9
    assert mean_up_to(1.0, distribution, ratio) == pytest.approx(ratio)

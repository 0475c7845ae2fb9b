"""Loss weights: the estimators that they make are unbiased, by the law of large numbers at LEVEL.

A position's "loss" here is a number of its own, `f`. The sum of weight x f over the selected
positions, divided by the maskable ones, must be the mean of `f` over them in expectation.
"""

import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from cases import one_in
from masking_texts import (
    CONTENTS,
    ONLY_NOUNS,
    UNITS,
    WORDS,
    Text,
    masked_by,
    masker_of,
    random_batch,
    repeated,
)
from tidemask.masking.corruption import Corruption
from tidemask.masking.noise import Purpose, StepKey, Streams
from tidemask.masking.schedule import Constant
from tidemask.masking.sequence_draws import ratio_of_sequences
from tidemask.masking.sequence_ratio import BetaAround, Same, UniformAround

LEVEL = 1e-4
NUM_REPEATS = 1500
ALL_MASK = Corruption(mask=1.0, random=0.0, keep=0.0)
PREDICTIONS = {"all": "all", "some": Constant(ratio=0.08)}


@pytest.fixture(scope="module")
def few():
    return random_batch(np.random.default_rng(101), 6, 48, documents=0.03)


def assert_unbiased(masker, few, num_tests, seed=102):
    """Over 1,500 draws of each of a few sequences whose losses go with class and position."""
    f = torch.tensor(np.random.default_rng(seed).exponential(2, few.input_ids.shape))
    f += (few.token_class == 1) * 3.0
    masked = masked_by(masker, repeated(few, NUM_REPEATS))
    assert masked.normaliser == "maskable"
    assert masked.loss_weight.dtype == torch.float32
    assert not masked.loss_weight[~masked.selected].any()
    assert (masked.loss_weight[masked.selected] > 0).all()
    losses = masked.loss_weight.double() * f.repeat(NUM_REPEATS, 1)
    batches = losses.reshape(NUM_REPEATS, -1).sum(1) / int(few.maskable.sum())
    error = float(batches.std()) / math.sqrt(NUM_REPEATS)
    expected = float(f[few.maskable].mean())
    assert error < 0.05 * expected
    bound = stats.norm.isf(LEVEL / num_tests / 2) * error
    assert abs(float(batches.mean()) - expected) < bound


@pytest.mark.parametrize(
    ("unit", "content", "prediction"),
    one_in(5, product(UNITS, CONTENTS, PREDICTIONS), ids="-".join),
)
def test_weights_by_inclusion_undo_the_weighting(few, unit, content, prediction):
    """Horvitz and Thompson: each loss divided by the probability that it is seen."""
    masker = masker_of(
        0.3,
        unit,
        CONTENTS[content],
        prediction=PREDICTIONS[prediction],
        loss_weight="inverse_inclusion",
    )
    assert_unbiased(masker, few, 48)


ESTIMATES = [
    *(("inverse_inclusion", "expected", unit, content) for unit in UNITS for content in CONTENTS),
    *(("inverse_ratio", "expected", unit, "uniform") for unit in UNITS),
    ("inverse_ratio", "fixed", "token", "uniform"),
]


@pytest.mark.parametrize(
    ("estimate", "per_sequence"),
    one_in(5, product(ESTIMATES, [Same(), UniformAround(half_width=0.1)])),
)
def test_mean_weight_of_every_maskable_position_is_one(few, estimate, per_sequence):
    """For each position by itself, and for all of a class, whose errors would add up."""
    loss_weight, budget, unit, content = estimate
    policy = {"budget": budget, "loss_weight": loss_weight, "per_sequence": per_sequence}
    masker = masker_of(0.4, unit, CONTENTS[content], **policy)
    masked = masked_by(masker, repeated(few, NUM_REPEATS))
    weight = masked.loss_weight.double().reshape(NUM_REPEATS, -1)
    maskable, classes = few.maskable.flatten(), few.token_class.flatten()
    means = [weight[:, maskable & (classes == k)].mean(1) for k in classes.unique()]
    groups = torch.cat([torch.stack(means, 1), weight[:, maskable]], 1)
    error = groups.std(0) / math.sqrt(NUM_REPEATS)
    worst = ((groups.mean(0) - 1.0).abs() / error).max()
    num_tests = groups.shape[1] * len(ESTIMATES) * 2
    assert worst < stats.norm.isf(LEVEL / num_tests / 2) * 1.2  # weights are skewed


@pytest.mark.parametrize("per_sequence", [Same(), BetaAround(concentration=30.0)])
def test_weights_by_inclusion_are_exactly_those_of_pi(per_sequence):
    text = Text(WORDS, 20, seed=103)
    content = CONTENTS["class loss"]
    policy = {"per_sequence": per_sequence, "loss_weight": "inverse_inclusion"}
    masked = masked_by(masker_of(0.15, "word", content, **policy), text.batch)
    ratio = _ratios(per_sequence, text.batch, 0.15)
    for row in range(20):
        pi = text.pi(ratio[row], content)[text.classes[row]]
        of_token = np.insert(np.repeat(pi, text.lengths[row]), 0, 1.0)
        expected = masked.selected[row].numpy() / of_token
        np.testing.assert_allclose(masked.loss_weight[row], expected, rtol=1e-6)


def _ratios(per_sequence, batch, ratio):
    streams = Streams(StepKey(1, 500), batch.sample_ids, [Purpose.SEQUENCE_RATIO])
    ratios = ratio_of_sequences(per_sequence, ratio, streams, torch.device("cpu"))
    return np.broadcast_to(ratios, (len(batch.input_ids), 1))[:, 0]


@pytest.mark.parametrize("prediction", [None, 0.1])
@pytest.mark.parametrize("per_sequence", [Same(), UniformAround(), BetaAround()])
def test_inverse_ratio_is_one_over_the_ratio_of_the_sequence(per_sequence, prediction):
    """Where fewer are predicted than corrupted, one over the ratio of those predicted."""
    batch = random_batch(np.random.default_rng(104), 40, 90)
    masker = masker_of(
        0.3,
        "token",
        per_sequence=per_sequence,
        prediction="all" if prediction is None else Constant(ratio=prediction),
        loss_weight="inverse_ratio",
    )
    masked = masked_by(masker, batch)
    ratio = np.minimum(_ratios(per_sequence, batch, 0.3), prediction or 1.0)
    expected = masked.selected.numpy() / ratio[:, None]
    np.testing.assert_allclose(masked.loss_weight, expected, rtol=2e-7)
    assert masked.normaliser == "maskable"


@pytest.mark.parametrize("per_sequence", [UniformAround(), BetaAround(concentration=5.0), Same()])
@pytest.mark.parametrize("unit", ["token", "word"])
def test_objective_of_masked_diffusion_is_unbiased_for_the_mean_loss(few, unit, per_sequence):
    """As the loss here does not depend on the ratio, each ratio gives the same mean."""
    masker = masker_of(
        0.5, unit, per_sequence=per_sequence, corruption=ALL_MASK, loss_weight="inverse_ratio"
    )
    assert_unbiased(masker, few, 6)


def test_objective_of_masked_diffusion_weights_all_ratios_alike():
    """For a loss of `ratio ** k`, the objective is its mean over (0, 1]: 1 / (k + 1)."""
    batch = random_batch(np.random.default_rng(105), 20_000, 32, maskable=1.0)
    policy = {"per_sequence": UniformAround(), "loss_weight": "inverse_ratio"}
    masked = masked_by(masker_of(0.5, "token", corruption=ALL_MASK, **policy), batch)
    ratio = torch.tensor(_ratios(UniformAround(), batch, 0.5))[:, None]
    for k in range(3):
        of_sequence = (masked.loss_weight.double() * ratio**k).mean(1)
        error = float(of_sequence.std()) / math.sqrt(20_000)
        bound = stats.norm.isf(LEVEL / 6) * error
        assert abs(float(of_sequence.mean()) - 1 / (k + 1)) < bound < 0.1


def test_weight_of_one_is_left_out_and_divides_by_the_selected():
    masked = masked_by(masker_of(0.3), random_batch(np.random.default_rng(106), 3, 40))
    assert masked.loss_weight is None
    assert masked.normaliser == "selected"
    assert int(masked.num_normalising()) == int(masked.num_selected())


@pytest.mark.parametrize("loss_weight", ["inverse_ratio", "inverse_inclusion"])
def test_weighted_loss_divides_by_the_maskable(loss_weight):
    batch = random_batch(np.random.default_rng(107), 3, 40)
    masked = masked_by(masker_of(0.3, loss_weight=loss_weight), batch)
    assert int(masked.num_normalising()) == int(batch.maskable.sum())


@pytest.mark.parametrize("prediction", ["all", Constant(ratio=0.0)], ids=["all", "none"])
@pytest.mark.parametrize("loss_weight", ["inverse_ratio", "inverse_inclusion"])
@pytest.mark.parametrize("content", [CONTENTS["uniform"], ONLY_NOUNS], ids=["uniform", "nouns"])
@pytest.mark.parametrize(
    ("ratio", "per_sequence"),
    [(0.0, Same()), (1.0, Same()), (0.3, BetaAround(concentration=1e-3))],
    ids=["0", "1", "smaller than any number"],
)
def test_loss_weights_are_numbers(ratio, per_sequence, content, loss_weight, prediction):
    """Also where nothing can be selected or predicted."""
    if content is ONLY_NOUNS and loss_weight == "inverse_ratio":
        pytest.skip("refused: there the ratio is not the chance of a position")
    batch = random_batch(np.random.default_rng(108), 30, 6)
    policy = {"per_sequence": per_sequence, "prediction": prediction, "loss_weight": loss_weight}
    masked = masked_by(masker_of(ratio, "token", content, **policy), batch)
    assert torch.isfinite(masked.loss_weight).all()
    assert not masked.loss_weight[~masked.selected].any()

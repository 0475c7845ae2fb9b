"""A prediction ratio below the masking ratio: fewer positions are predicted than corrupted."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from masking_texts import CONTENTS, UNITS, VOCABULARY, masked_by, masker_of, random_batch
from tidemask.masking.batch import IGNORE_INDEX
from tidemask.masking.corruption import Corruption
from tidemask.masking.noise import Purpose, StepKey, Streams
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.sequence_draws import ratio_of_sequences
from tidemask.masking.sequence_ratio import UniformAround

LEVEL = 1e-4
ALL_MASK = Corruption(mask=1.0, random=0.0, keep=0.0)


@pytest.fixture(scope="module")
def batch():
    return random_batch(np.random.default_rng(111), 2000, 60)


def assert_share(masked, ratio, num_tests):
    """The excess over the ratio, summed over independent sequences."""
    excess = (masked.selected.sum(1) - ratio * masked.maskable.sum(1)).double().numpy()
    bound = stats.norm.isf(LEVEL / num_tests / 2) * math.sqrt((excess**2).sum())
    assert abs(excess.sum()) < bound
    assert bound < 0.02 * int(masked.maskable.sum())


@pytest.mark.parametrize("budget", ["expected", "fixed"])
@pytest.mark.parametrize("content", ["uniform", "class loss", "frequency"])
@pytest.mark.parametrize("unit", UNITS)
def test_predicted_share_is_the_prediction_ratio(batch, unit, content, budget):
    policy = {"budget": budget, "prediction": Constant(ratio=0.15), "corruption": ALL_MASK}
    masked = masked_by(masker_of(0.3, unit, CONTENTS[content], **policy), batch)
    assert_share(masked, 0.15, 24)
    assert not (masked.selected & ~masked.corrupted).any()
    assert int(masked.num_corrupted()) > 1.5 * int(masked.num_selected())


def test_labels_are_at_predicted_positions_alone_and_inputs_corrupted_at_all(batch):
    policy = {"prediction": Constant(ratio=0.1), "corruption": ALL_MASK}
    masked = masked_by(masker_of(0.4, "word", **policy), batch)
    unpredicted = masked.corrupted & ~masked.selected
    assert unpredicted.any()
    assert (masked.input_ids[unpredicted] == VOCABULARY.mask_id).all()
    assert (masked.labels[unpredicted] == IGNORE_INDEX).all()
    assert torch.equal(masked.labels != IGNORE_INDEX, masked.selected)


@pytest.mark.parametrize("prediction", [0.4, 0.41, 1.0])
@pytest.mark.parametrize("budget", ["expected", "fixed"])
def test_prediction_ratio_at_or_above_the_ratio_predicts_all(batch, budget, prediction):
    policy = {"budget": budget, "prediction": Constant(ratio=prediction)}
    masked = masked_by(masker_of(0.4, **policy), batch)
    assert torch.equal(masked.selected, masked.corrupted)


def test_prediction_ratio_of_zero_predicts_nothing(batch):
    masked = masked_by(masker_of(0.4, prediction=Constant(ratio=0.0)), batch)
    assert masked.corrupted.any()
    assert not masked.selected.any()
    assert (masked.labels == IGNORE_INDEX).all()


def test_without_a_prediction_ratio_all_is_predicted(batch):
    masked = masked_by(masker_of(0.4), batch)
    assert masked.selected is masked.corrupted


def test_corruption_does_not_depend_on_what_is_predicted(batch):
    some = masked_by(masker_of(0.3, prediction=Constant(ratio=0.1)), batch)
    every = masked_by(masker_of(0.3), batch)
    assert torch.equal(some.corrupted, every.corrupted)
    assert torch.equal(some.input_ids, every.input_ids)


@pytest.mark.parametrize(("progress", "ratio"), [(0.0, 0.15), (0.5, 0.15), (1.0, 0.15)])
def test_subset_of_a_falling_ratio_is_constant(batch, progress, ratio):
    """Ankner's subset: 30 to 15 % corrupted, 15 % predicted throughout."""
    masker = masker_of(Linear(start=0.3, end=0.15), "token", prediction=Constant(ratio=0.15))
    masked = masked_by(masker, batch, progress=progress)
    assert_share(masked, ratio, 3)
    assert bool((masked.selected == masked.corrupted).all()) == (progress == 1.0)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_prediction_ratio_follows_its_schedule(batch, progress):
    masker = masker_of(0.4, "token", prediction=Linear(start=0.05, end=0.35))
    assert_share(masked_by(masker, batch, progress=progress), 0.05 + 0.3 * progress, 3)


@pytest.mark.parametrize("budget", ["expected", "fixed"])
def test_prediction_ratio_holds_for_each_sequence_with_its_own_ratio(batch, budget):
    """Sequences whose ratio is below 20 % predict all, the others 20 %."""
    per_sequence = UniformAround(half_width=0.3)
    policy = {"per_sequence": per_sequence, "budget": budget, "prediction": Constant(ratio=0.2)}
    masked = masked_by(masker_of(0.3, "token", **policy), batch)
    streams = Streams(StepKey(1, 500), batch.sample_ids, [Purpose.SEQUENCE_RATIO])
    ratio = ratio_of_sequences(per_sequence, 0.3, streams, torch.device("cpu"))
    low = ratio[:, 0] <= 0.2
    assert 200 < low.sum() < 1800
    assert torch.equal(masked.selected[low], masked.corrupted[low])
    assert_share(masked, ratio[:, 0].clamp(max=0.2), 2)


def test_prediction_is_independent_of_kind_and_place(batch):
    """Of the corrupted, as many of each kind and of each position are predicted."""
    masked = masked_by(masker_of(0.5, "token", prediction=Constant(ratio=0.25)), batch)
    kind = torch.where(masked.input_ids == VOCABULARY.mask_id, 0, 1)
    kind = torch.where(masked.input_ids == batch.input_ids, 2, kind)
    pvalues = []
    for place in (kind, torch.arange(60).expand(2000, -1) // 10):
        corrupted = torch.bincount(place[masked.corrupted]).numpy()
        predicted = torch.bincount(place[masked.selected]).numpy()
        pvalues += [
            stats.binomtest(int(k), int(n), 0.5).pvalue
            for k, n in zip(predicted, corrupted, strict=True)
        ]
    assert len(pvalues) == 9
    assert min(pvalues) > LEVEL / 9

"""Corruption: shares and random tokens against the binomial and chi-square laws at LEVEL."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import random_examples
from masking_texts import masked_by, masker_of, random_batch
from tidemask.masking.bitmask import as_mask
from tidemask.masking.corruption import Corruption, Shares
from tidemask.masking.noise import Purpose, StepKey, Streams
from tidemask.masking.replacement import corrupt
from tidemask.masking.schedule import Constant, Cosine, Linear, Phase, Phases
from tidemask.masking.vocabulary import Vocabulary

LEVEL = 1e-4
SPECIAL = frozenset({0, 1, 2, 3, 17, 40})
MASK = 3
VOCABULARY = Vocabulary.of(60, MASK, SPECIAL)
NUM_SELECTED = 100_000
ALL_RANDOM = Shares(mask=0.0, random=1.0, keep=0.0)


def corrupted(ids, selected, shares=None, vocabulary=VOCABULARY, seed=41):
    key, samples = StepKey(seed, 0), torch.arange(len(ids))
    return corrupt(
        ids,
        as_mask(selected),
        streams=Streams(key, samples, [Purpose.CORRUPTION, Purpose.RANDOM_TOKEN]),
        shares=shares or Corruption().at(0.5),
        vocabulary=vocabulary,
    )


def selected_ids(shares=None, original=5, **vocabulary):
    """What 100,000 selected tokens of one id become."""
    ids = torch.full((1000, NUM_SELECTED // 1000), original)
    every = torch.ones_like(ids, dtype=torch.bool)
    return corrupted(ids, every, shares, **vocabulary).flatten().numpy()


def assert_shares(result, mask, random, keep, num_tests):
    """Of `result`, made of the id 5; one random token in 54 is the original by chance."""
    num_ordinary = 60 - len(SPECIAL)
    kept = keep + random / num_ordinary
    for hits, share in (
        ((result == MASK).sum(), mask),
        ((result == 5).sum(), kept),
        (((result != MASK) & (result != 5)).sum(), random - random / num_ordinary),
    ):
        pvalue = stats.binomtest(int(hits), len(result), min(1.0, max(0.0, share))).pvalue
        assert pvalue > LEVEL / 3 / num_tests


SHARES = [
    (0.8, 0.1, 0.1),
    (0.5, 0.3, 0.2),
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (0.9, 0.1, 0.0),
    (0.7, 0.2, 0.1),
]


@pytest.mark.parametrize("shares", SHARES)
def test_shares_obey_the_binomial_law(shares):
    mask, random, keep = shares
    shares = Corruption(mask=mask, random=random, keep=keep).at(0.5)
    assert_shares(selected_ids(shares), mask, random, keep, len(SHARES))


@pytest.mark.parametrize("progress", [0.0, 0.25, 0.5, 1.0])
def test_scheduled_shares_obey_the_binomial_law_at_every_progress(progress):
    """The mask share falls from 1 to 0.4, the share that stays rises from 0 to 0.6."""
    corruption = Corruption(
        mask=Linear(start=1.0, end=0.4), random=0.0, keep=Linear(start=0.0, end=0.6)
    )
    mask = 1 - 0.6 * progress
    assert_shares(selected_ids(corruption.at(progress)), mask, 0.0, 1 - mask, 4)


def test_masker_takes_the_shares_of_its_progress():
    corruption = Corruption(
        mask=Linear(start=1.0, end=0.0), random=0.0, keep=Linear(start=0.0, end=1.0)
    )
    batch = random_batch(np.random.default_rng(121), 50, 60)
    masker = masker_of(0.5, "token", corruption=corruption)
    begun, ended = (masked_by(masker, batch, progress=progress) for progress in (0.0, 1.0))
    assert (begun.input_ids[begun.corrupted] == 4).all()
    assert torch.equal(ended.input_ids, batch.input_ids)
    assert ended.selected.any()


@pytest.mark.parametrize("size", [60, 61, 64])
def test_random_tokens_are_uniform_over_the_ordinary_ids(size):
    result = selected_ids(ALL_RANDOM, vocabulary=Vocabulary.of(size, MASK, SPECIAL))
    counts = np.bincount(result, minlength=size)
    special = np.isin(np.arange(size), list(SPECIAL))
    assert counts[special].sum() == 0
    assert stats.chisquare(counts[~special]).pvalue > LEVEL / 3


def test_random_tokens_of_a_large_vocabulary_are_uniform_to_both_ends():
    vocabulary = Vocabulary.of(250_112, MASK, SPECIAL)
    result = selected_ids(ALL_RANDOM, vocabulary=vocabulary)
    assert not np.isin(result, list(SPECIAL)).any()
    position = (result - len(SPECIAL)) / (250_112 - len(SPECIAL))
    assert stats.kstest(position, "uniform").pvalue > LEVEL
    assert result.min() < 30
    assert result.max() > 250_112 - 30
    assert result.max() < 250_112


def test_kind_and_random_token_are_independent_of_the_place():
    """The kind of each position by itself, and of each sequence."""
    result = selected_ids().reshape(1000, -1)
    for axis in (0, 1):
        counts = (result == MASK).sum(axis)
        size = result.shape[axis]
        statistic = ((counts - 0.8 * size) ** 2 / (size * 0.16)).sum()
        assert LEVEL / 4 < stats.chi2.cdf(statistic, len(counts)) < 1 - LEVEL / 4


@given(st.integers(0, 4), st.integers(0, 40), st.integers(0, 2**32))
@random_examples(40)
def test_only_selected_positions_change_and_inputs_are_left_alone(num_sequences, length, seed):
    rng = np.random.default_rng(seed)
    shape = (num_sequences, length)
    ids = torch.tensor(rng.integers(0, 60, shape))
    selected = torch.tensor(rng.random(shape) < 0.5)
    kept_ids, kept_selected = ids.clone(), selected.clone()
    for shares in (None, ALL_RANDOM, Shares(mask=1.0, random=0.0, keep=0.0)):
        result = corrupted(ids, selected, shares, seed=seed)
        assert result.shape == shape
        assert result.data_ptr() != ids.data_ptr() or not ids.numel()
        assert torch.equal(result[~selected], ids[~selected])
        assert torch.equal(ids, kept_ids)
        assert torch.equal(selected, kept_selected)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.int64])
def test_dtype_is_kept_and_does_not_matter(dtype):
    ids = torch.arange(4, 44).reshape(4, 10)
    every = torch.ones_like(ids, dtype=torch.bool)
    result = corrupted(ids.to(dtype), every)
    assert result.dtype == dtype
    assert torch.equal(result.to(torch.int64), corrupted(ids, every))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mask": 0.9}, r"mask=0\.9, random=0\.1 and keep=0\.1 add up to 1\.1"),
        ({"mask": 0.5}, r"add up to 0\.7"),
        ({"mask": 1.2, "random": -0.1, "keep": -0.1}, r"mask=1\.2"),
        ({"random": -0.1}, r"random=-0\.1"),
        ({"keep": float("nan")}, "keep=nan"),
        ({"mask": Linear(start=0.8, end=0.7)}, r"add up to 0\.999 at progress 0\.01"),
        ({"mask": Cosine(start=0.8, end=0.0), "random": Constant(ratio=0.1)}, "at progress"),
        (
            {"mask": Phases(phases=(Phase(until=0.9, ratio=0.8), Phase(until=1.0, ratio=0.2)))},
            r"add up to 0\.4 at progress 0\.9",
        ),
    ],
)
def test_wrong_shares_are_refused_with_their_values(wrong, message):
    with pytest.raises(ValueError, match=message):
        Corruption(**wrong)


def test_default_shares_are_those_of_bert_at_every_progress():
    for progress in (0.0, 0.5, 1.0):
        assert Corruption().at(progress) == Shares(mask=0.8, random=0.1, keep=0.1)


def test_vocabulary_parts_ids_into_special_and_ordinary():
    ordinary = VOCABULARY.ordinary_ids.tolist()
    assert all(a < b for a, b in pairwise(ordinary))
    assert set(ordinary) == set(range(60)) - SPECIAL
    assert {i for i, special in enumerate(VOCABULARY.is_special.tolist()) if special} == SPECIAL


def test_mask_token_counts_as_special():
    vocabulary = Vocabulary.of(10, 4, range(3))
    assert vocabulary.special_ids == {0, 1, 2, 4}
    assert 4 not in vocabulary.ordinary_ids.tolist()


@pytest.mark.parametrize("mask_id", [-1, 10])
def test_mask_id_outside_the_vocabulary_is_refused(mask_id):
    with pytest.raises(ValueError, match=f"mask_id={mask_id}"):
        Vocabulary.of(10, mask_id, [0])


def test_vocabulary_of_special_ids_alone_is_refused():
    with pytest.raises(ValueError, match="size=3"):
        Vocabulary.of(3, 2, [0, 1])

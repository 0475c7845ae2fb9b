"""Corruption: shares and random tokens against the binomial and chi-square laws at LEVEL."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tidemask.masking.corruption import Corruption, Vocabulary, corrupt

LEVEL = 1e-4
SPECIAL = frozenset({0, 1, 2, 3, 17, 40})
MASK = 3
VOCABULARY = Vocabulary.of(60, MASK, SPECIAL)
NUM_SELECTED = 100_000


def corrupted(ids, selected, rng, corruption=None, vocabulary=VOCABULARY):
    kind_bits, token_bits = torch.tensor(rng.integers(0, 2**32, (2, *ids.shape)))
    return corrupt(
        ids,
        selected,
        kind_bits=kind_bits,
        token_bits=token_bits,
        corruption=corruption or Corruption(),
        vocabulary=vocabulary,
    )


def selected_ids(corruption=None, original=5, seed=41):
    """What 100,000 selected tokens of one id become."""
    ids = torch.full((100, NUM_SELECTED // 100), original)
    rng = np.random.default_rng(seed)
    return corrupted(ids, torch.ones_like(ids, dtype=torch.bool), rng, corruption).flatten().numpy()


@pytest.mark.parametrize(
    "shares",
    [
        (0.8, 0.1, 0.1),
        (0.5, 0.3, 0.2),
        (1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0),
        (0.0, 0.0, 1.0),
        (0.9, 0.1, 0.0),
    ],
)
def test_shares_obey_the_binomial_law(shares):
    mask, random, keep = shares
    result = selected_ids(Corruption(mask=mask, random=random, keep=keep))
    num_ordinary = 60 - len(SPECIAL)
    kept = keep + random / num_ordinary
    for hits, share in (
        ((result == MASK).sum(), mask),
        ((result == 5).sum(), kept),
        (((result != MASK) & (result != 5)).sum(), random - random / num_ordinary),
    ):
        assert stats.binomtest(int(hits), NUM_SELECTED, share).pvalue > LEVEL / 3


def test_random_tokens_are_uniform_over_the_ordinary_ids():
    result = selected_ids(Corruption(mask=0.0, random=1.0, keep=0.0))
    counts = np.bincount(result, minlength=60)
    special = np.isin(np.arange(60), list(SPECIAL))
    assert counts[special].sum() == 0
    assert stats.chisquare(counts[~special]).pvalue > LEVEL


def test_random_token_reaches_the_first_and_the_last_ordinary_id():
    ids = torch.full((1, 2), 5)
    result = corrupt(
        ids,
        torch.ones(1, 2, dtype=torch.bool),
        kind_bits=torch.zeros(1, 2, dtype=torch.int64),
        token_bits=torch.tensor([[0, 2**32 - 1]]),
        corruption=Corruption(mask=0.0, random=1.0, keep=0.0),
        vocabulary=VOCABULARY,
    )
    assert result.tolist() == [[4, 59]]


def test_random_tokens_of_a_large_vocabulary_are_uniform():
    vocabulary = Vocabulary.of(250_112, MASK, SPECIAL)
    ids = torch.full((100, 1000), 5)
    every = torch.ones_like(ids, dtype=torch.bool)
    rng = np.random.default_rng(42)
    result = corrupted(ids, every, rng, Corruption(mask=0.0, random=1.0, keep=0.0), vocabulary)
    assert not np.isin(result, list(SPECIAL)).any()
    position = (result.flatten().numpy() - len(SPECIAL)) / (250_112 - len(SPECIAL))
    assert stats.kstest(position, "uniform").pvalue > LEVEL


@given(st.integers(0, 4), st.integers(0, 40), st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_only_selected_positions_change_and_inputs_are_left_alone(num_sequences, length, seed):
    rng = np.random.default_rng(seed)
    shape = (num_sequences, length)
    ids = torch.tensor(rng.integers(0, 60, shape))
    selected = torch.tensor(rng.random(shape) < 0.5)
    kept_ids, kept_selected = ids.clone(), selected.clone()
    result = corrupted(ids, selected, rng)
    assert result.shape == shape
    assert torch.equal(result[~selected], ids[~selected])
    assert torch.equal(ids, kept_ids)
    assert torch.equal(selected, kept_selected)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_dtype_is_kept(dtype):
    ids = torch.arange(4, 44, dtype=dtype).reshape(4, 10)
    every = torch.ones_like(ids, dtype=torch.bool)
    assert corrupted(ids, every, np.random.default_rng(0)).dtype == dtype


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mask": 0.9}, r"mask=0\.9, random=0\.1 and keep=0\.1 add up to 1\.1"),
        ({"mask": 0.5}, r"add up to 0\.7"),
        ({"mask": 1.2, "random": -0.1, "keep": -0.1}, r"mask=1\.2"),
        ({"random": -0.1}, r"random=-0\.1"),
        ({"keep": float("nan")}, "keep=nan"),
    ],
)
def test_wrong_shares_are_refused_with_their_values(wrong, message):
    with pytest.raises(ValueError, match=message):
        Corruption(**wrong)


def test_default_shares_are_those_of_bert():
    default = Corruption()
    assert (default.mask, default.random, default.keep) == (0.8, 0.1, 0.1)


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

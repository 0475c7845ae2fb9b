"""Each helper against the comparison or `torch.where` that it stands for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from tidemask.masking.bitmask import (
    as_bool,
    as_mask,
    below,
    below_threshold,
    negative_thresholds,
    where_mask,
)

FULL = 2**31
EDGES = [0, 1, FULL // 2 - 1, FULL // 2, FULL - 2, FULL - 1]
many = random_examples(50)
draws = st.lists(st.integers(0, FULL - 1) | st.sampled_from(EDGES), max_size=40)
shares = st.floats(0, 1) | st.sampled_from([0.0, 2.0**-31, 0.5, 1 - 2.0**-31, 1.0])
flags = st.lists(st.booleans(), max_size=70)


def int32(values):
    return torch.tensor(values, dtype=torch.int32)


@given(draws, shares)
@many
def test_below_is_a_comparison(values, share):
    expected = [-1 if value < round(share * FULL) else 0 for value in values]
    kept_draws = int32(values)
    result = below(kept_draws, share)
    assert result.tolist() == expected
    assert result.dtype == torch.int32
    assert kept_draws.tolist() == values


@given(draws, shares)
@many
def test_below_threshold_is_a_comparison_with_each_threshold(values, share):
    others = [share, 0.0, 1.0, 0.15]
    thresholds = negative_thresholds(torch.tensor(others, dtype=torch.float64)[:, None])
    kept_draws = int32([values] * 4)
    result = below_threshold(kept_draws, thresholds)
    assert result.tolist() == [[-1 if v < round(s * FULL) else 0 for v in values] for s in others]
    assert kept_draws.tolist() == [values] * 4


def test_share_of_one_takes_every_draw_and_of_zero_none():
    every = int32([EDGES])
    for share, expected in ((1.0, -1), (0.0, 0)):
        threshold = negative_thresholds(torch.full((1, 1), share))
        assert (below(every, share) == expected).all()
        assert (below_threshold(every, threshold) == expected).all()


def test_threshold_per_position():
    thresholds = negative_thresholds(torch.tensor([[0.0, 0.5, 0.5, 1.0]]))
    result = below_threshold(int32([[0, FULL // 2 - 1, FULL // 2, FULL - 1]]), thresholds)
    assert result.tolist() == [[0, -1, 0, -1]]


@given(flags)
@many
def test_masks_and_booleans_are_two_ways_to_write_one_thing(values):
    booleans = torch.tensor(values, dtype=torch.bool)
    mask = as_mask(booleans)
    assert mask.dtype == torch.int32
    assert mask.tolist() == [-1 if value else 0 for value in values]
    assert torch.equal(as_bool(mask), booleans)
    assert as_bool(mask.to(torch.int64)).dtype == torch.bool
    assert mask.tolist() == [-1 if value else 0 for value in values]


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.int64])
@given(flags, st.integers(0, 2**32), st.sampled_from([-100, 0, 4, 32767]))
@many
def test_choices_equal_where(dtype, values, seed, number):
    generator = torch.Generator().manual_seed(seed)
    limits = torch.iinfo(dtype)
    ids = torch.randint(
        limits.min, limits.max, (len(values),), generator=generator, dtype=torch.int64
    ).to(dtype)
    before = ids.clone()
    booleans = torch.tensor(values, dtype=torch.bool)
    mask = as_mask(booleans).to(dtype)
    constant = torch.full_like(ids, number)
    for result, expected in (
        (where_mask(mask, number, ids), torch.where(booleans, constant, ids)),
        (where_mask(mask, ids, number), torch.where(booleans, ids, constant)),
    ):
        assert torch.equal(result, expected)
        assert result.dtype == dtype
    assert torch.equal(ids, before)
    assert torch.equal(mask, as_mask(booleans).to(dtype))

"""Unit starts against a loop over positions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemask.batch import Batch
from tidemask.masking.units import unit_starts


def batch_of(word_starts, maskable=True):
    word_starts = torch.as_tensor(word_starts, dtype=torch.bool)
    num_sequences = word_starts.shape[0]
    return Batch(
        input_ids=torch.zeros(word_starts.shape, dtype=torch.int64),
        maskable=torch.full(word_starts.shape, maskable),
        word_starts=word_starts,
        token_class=torch.zeros(word_starts.shape, dtype=torch.uint8),
        sample_ids=torch.arange(num_sequences),
    )


def slow_starts(row):
    starts = []
    for position, begins in enumerate(row):
        starts.append(position if begins or position == 0 else starts[-1])
    return starts


@st.composite
def rows(draw):
    num_sequences, length = draw(st.integers(0, 4)), draw(st.integers(0, 30))
    row = st.lists(st.booleans(), min_size=length, max_size=length)
    flags = draw(st.lists(row, min_size=num_sequences, max_size=num_sequences))
    return torch.tensor(flags, dtype=torch.bool).reshape(num_sequences, length)


@given(rows(), st.booleans())
@settings(deadline=None, max_examples=100)
def test_word_starts_equal_a_loop_over_positions(word_starts, maskable):
    kept = word_starts.clone()
    starts = unit_starts(batch_of(word_starts, maskable), "word")
    assert starts.dtype == torch.int64
    assert starts.shape == word_starts.shape
    assert starts.tolist() == [slow_starts(row) for row in word_starts.tolist()]
    assert torch.equal(word_starts, kept)


def test_position_zero_starts_a_word_whatever_it_says():
    starts = unit_starts(batch_of([[False, False, True, False]]), "word")
    assert starts.tolist() == [[0, 0, 2, 2]]


def test_tokens_are_their_own_units():
    assert unit_starts(batch_of([[True, False]]), "token") is None


@pytest.mark.parametrize("shape", [(2, 2), (1, 3), (2,), (3, 2)])
def test_word_starts_of_another_shape_are_refused(shape):
    wrong = batch_of(torch.ones(2, 3))
    # Past the shape check that the tests, and they alone, put on the record itself.
    object.__setattr__(wrong, "word_starts", torch.ones(shape, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"word_starts of shape .*\(2, 3\)"):
        unit_starts(wrong, "word")

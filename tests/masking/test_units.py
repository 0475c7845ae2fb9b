"""Words against a loop over positions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from masking_texts import random_batch, slow_words, tensors_of
from tidemask.masking.batch import check_batch
from tidemask.masking.units import starts_of_words, word_starts
from tidemask.token_classes import NO_CLASS


@st.composite
def batches(draw):
    return random_batch(
        np.random.default_rng(draw(st.integers(0, 2**32))),
        draw(st.integers(0, 4)),
        draw(st.integers(0, 30)),
        maskable=draw(st.sampled_from([0.0, 0.7, 1.0])),
        starts=draw(st.sampled_from([0.0, 0.5, 1.0])),
        documents=draw(st.sampled_from([None, 0.0, 0.3])),
    )


def one_row(starts, *, special=(), documents=None):
    length = len(starts)
    batch = random_batch(np.random.default_rng(0), 1, length, maskable=1.0, documents=documents)
    batch.maskable[0, list(special)] = False
    return replace(batch, word_starts=torch.tensor([starts], dtype=torch.bool))


@given(batches())
@random_examples(50)
def test_words_equal_a_loop_over_positions(batch):
    kept = {name: value.clone() for name, value in tensors_of(batch).items()}
    starts, classes = starts_of_words(batch)
    num_sequences = batch.input_ids.shape[0]
    assert classes is None
    assert starts.shape == batch.input_ids.shape
    assert starts.dtype == torch.int32
    assert starts.tolist() == [slow_words(batch, row) for row in range(num_sequences)]
    for name, value in tensors_of(batch).items():
        assert torch.equal(value, kept[name]), name


@given(batches())
@random_examples(50)
def test_word_has_the_class_of_its_start(batch):
    starts, classes = starts_of_words(batch, batch.token_class)
    assert torch.equal(starts, starts_of_words(batch)[0])
    expected = batch.token_class.gather(1, starts.to(torch.int64))
    assert torch.equal(classes.to(torch.uint8), expected)


def test_position_zero_starts_a_word_whatever_it_says():
    assert starts_of_words(one_row([0, 0, 1, 0]))[0].tolist() == [[0, 0, 2, 2]]


def test_words_end_at_special_tokens_and_documents():
    assert starts_of_words(one_row([1, 0, 0, 0, 0], special=[2]))[0].tolist() == [[0, 0, 2, 3, 3]]
    batch = one_row([1, 0, 0, 0, 0], documents=0.0)
    batch.document_starts[0, 3] = True
    assert starts_of_words(batch)[0].tolist() == [[0, 0, 0, 3, 3]]


def test_position_and_class_of_a_very_long_sequence_do_not_run_into_each_other():
    length = 100_000
    batch = one_row([p % 3 == 0 for p in range(length)])
    classes = (torch.arange(length) % 256).to(torch.uint8)[None]
    starts, of_word = starts_of_words(batch, classes)
    position = torch.arange(length, dtype=torch.int32)
    assert torch.equal(starts[0], position - position % 3)
    assert torch.equal(of_word[0], (position - position % 3) % 256)


def test_no_class_is_carried_like_any_other():
    batch = one_row([1, 0, 1])
    classes = torch.tensor([[NO_CLASS, 0, 7]], dtype=torch.uint8)
    assert starts_of_words(batch, classes)[1].tolist() == [[NO_CLASS, NO_CLASS, 7]]


@pytest.mark.parametrize("shape", [(2, 2), (1, 3), (2,), (3, 2)])
def test_word_starts_of_another_shape_are_refused(shape):
    wrong = random_batch(np.random.default_rng(0), 2, 3)
    # Past the shape check that the tests, and they alone, put on the record itself.
    object.__setattr__(wrong, "word_starts", torch.ones(shape, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"word_starts of shape .*\(2, 3\)"):
        check_batch(wrong, 100)


def test_missing_word_starts_are_refused():
    batch = replace(random_batch(np.random.default_rng(0), 2, 3), word_starts=None)
    with pytest.raises(ValueError, match="word_starts=None"):
        word_starts(batch)

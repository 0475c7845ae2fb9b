"""Spans against a loop, and their lengths against the truncated geometric law of SpanBERT."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import random_examples
from masking_texts import (
    LATE,
    UNITS,
    masked_by,
    masker_of,
    random_batch,
    repeated,
    slow_spans,
    slow_words,
)
from tidemask.masking.noise import Purpose, StepKey, Streams
from tidemask.masking.spans import SpanLengths
from tidemask.masking.units import starts_of_spans

LEVEL = 1e-4
KEY = StepKey(3, LATE)


def spans_of(batch, lengths):
    return starts_of_spans(batch, lengths, Streams(KEY, batch.sample_ids, [Purpose.SPAN_LENGTH]))


def dense(num_sequences, length, *, starts=0.6, documents=None, seed=81):
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, num_sequences, length, maskable=1.0, starts=starts)
    if documents is not None:
        flags = torch.zeros(num_sequences, length, dtype=torch.bool)
        flags[:, documents] = True
        batch = replace(batch, document_starts=flags)
    return batch


lengths = st.builds(
    SpanLengths,
    p=st.sampled_from([0.05, 0.2, 0.7, 1.0]),
    longest=st.integers(1, 12),
    of=st.sampled_from(["word", "token"]),
)


@given(
    st.integers(0, 2**32),
    st.integers(0, 3),
    st.integers(0, 40),
    st.sampled_from([0.0, 0.8, 1.0]),
    st.sampled_from([None, 0.1]),
    lengths,
)
@random_examples(50)
def test_spans_equal_a_loop(seed, num_sequences, length, maskable, documents, lengths):
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, num_sequences, length, maskable, documents=documents)
    starts = spans_of(batch, lengths)
    assert starts.dtype == torch.int32
    assert starts.shape == batch.input_ids.shape
    expected = [slow_spans(batch, row, KEY, lengths) for row in range(num_sequences)]
    assert starts.tolist() == expected


def elements_of_spans(batch, starts, of):
    """Number of words or tokens of each complete span of each sequence: all but the last."""
    counts = []
    for row, of_row in enumerate(starts.tolist()):
        begins = slow_words(batch, row) if of == "word" else range(len(of_row))
        elements = [p for p, begin in enumerate(begins) if p == begin]
        first = [element for element in elements if of_row[element] == element]
        place = [elements.index(p) for p in first]
        counts.append(np.diff(place))
    return counts


@pytest.mark.parametrize("of", ["word", "token"])
@pytest.mark.parametrize(("p", "longest"), [(0.2, 10), (0.5, 4), (0.2, 1)])
@pytest.mark.slow
def test_lengths_follow_the_truncated_geometric_law(p, longest, of):
    """The first ten of each sequence: those near the end would be picked for being short."""
    batch = dense(200, 10 * 3 * longest)
    spans = SpanLengths(p=p, longest=longest, of=of)
    counts = elements_of_spans(batch, spans_of(batch, spans), of)
    drawn = np.concatenate([row[:10] for row in counts])
    assert len(drawn) >= 200 * 10 * 0.99
    mass = p * (1 - p) ** np.arange(longest)
    observed = np.bincount(drawn, minlength=longest + 1)[1:]
    assert observed.sum() == len(drawn)
    if longest > 1:
        expected = mass / mass.sum() * len(drawn)
        assert stats.chisquare(observed, expected).pvalue > LEVEL / 6


def test_mean_length_is_that_of_spanbert():
    """3.797 elements for p = 0.2 and at most 10; in the paper, "3.8"."""
    length = np.arange(1, 11)
    mass = 0.2 * 0.8 ** (length - 1)
    mean = float((length * mass).sum() / mass.sum())
    assert mean == pytest.approx(3.797, abs=5e-4)
    deviation = math.sqrt(float((length**2 * mass).sum() / mass.sum()) - mean**2)
    defaults = SpanLengths()
    batch = dense(2000, 100)
    spans = spans_of(batch, replace(defaults, of="token"))
    ends = (spans == torch.arange(100)).cumsum(1).eq(11).to(torch.int8).argmax(1)
    drawn = ends.double().mean() / 10
    assert (defaults.p, defaults.longest, defaults.of) == (0.2, 10, "word")
    assert abs(float(drawn) - mean) < stats.norm.isf(LEVEL / 2) * deviation / math.sqrt(20_000)


def test_cumulative_law_adds_up_to_one():
    result = SpanLengths(p=0.2, longest=10).cumulative
    expected = [(1 - 0.8**i) / (1 - 0.8**10) for i in range(1, 11)]
    np.testing.assert_allclose(result, expected, rtol=1e-12)
    assert result[-1] == 1.0


@pytest.mark.parametrize("of", ["word", "token"])
def test_spans_are_cut_at_documents_and_special_tokens(of):
    """Spans of up to 50 elements, each far longer than the text between two boundaries."""
    batch = dense(50, 40, documents=[7, 13, 30])
    batch.maskable[:, 20] = False
    starts = spans_of(batch, SpanLengths(p=0.001, longest=50, of=of))
    for boundary in (7, 13, 20, 21, 30):
        assert (starts[:, boundary] == boundary).all()
        assert (starts[:, :boundary] < boundary).all()
        assert (starts[:, boundary:] >= boundary).all()


def test_spans_of_words_hold_whole_words():
    batch = dense(20, 60, starts=0.4)
    starts = spans_of(batch, SpanLengths(of="word"))
    for row in range(20):
        for position, word in enumerate(slow_words(batch, row)):
            assert starts[row, position] == starts[row, word]


def test_spans_of_one_element_are_words_or_tokens():
    batch = dense(5, 30)
    words = spans_of(batch, SpanLengths(longest=1))
    assert words.tolist() == [slow_words(batch, row) for row in range(5)]
    tokens = spans_of(batch, SpanLengths(longest=1, of="token"))
    assert torch.equal(tokens, torch.arange(30, dtype=torch.int32).expand(5, -1))


@pytest.mark.parametrize("unit", [unit for unit in UNITS if "span" in unit])
@pytest.mark.parametrize("ratio", [0.02, 0.15])
def test_inclusion_is_flat_over_positions(unit, ratio):
    """Each position's count is binomial, whatever span it fell into: also at cuts and ends."""
    batch = repeated(dense(1, 40, documents=[17]), 30_000)
    batch.maskable[:, 5] = False
    hits = masked_by(masker_of(ratio, unit), batch).corrupted.sum(0).numpy()
    assert hits[5] == 0
    for position in (p for p in range(40) if p != 5):
        pvalue = stats.binomtest(int(hits[position]), 30_000, ratio).pvalue
        assert pvalue > LEVEL / 39 / 4, (position, hits / 30_000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"p": 0.0}, "p=0"),
        ({"p": 1.2}, r"p=1\.2"),
        ({"p": math.nan}, "p=nan"),
        ({"longest": 0}, "longest=0"),
    ],
)
def test_wrong_lengths_are_refused_with_their_value(wrong, message):
    with pytest.raises(ValueError, match=message):
        SpanLengths(**wrong)


def test_spans_of_words_without_word_starts_are_refused():
    batch = replace(dense(2, 5), word_starts=None)
    with pytest.raises(ValueError, match="word_starts=None"):
        spans_of(batch, SpanLengths())
    assert spans_of(batch, SpanLengths(of="token")).shape == (2, 5)

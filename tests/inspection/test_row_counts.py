"""Counts of rows: those of a plain loop over tokens, and those of the manifest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.corpus.store.rows import Rows
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.inspection.row_counts import LONGEST, RowCounts, count_rows
from tidemask.progress import ignore
from tidemask.token_classes import NO_CLASS

SPECIAL = (0, 1)
LENGTH = 12


@pytest.fixture(scope="module")
def opened(corpus: Path) -> PreparedCorpus:
    return open_corpus(corpus)


@st.composite
def rows_of_words(draw: st.DrawFn) -> list[list[tuple[int, int, list[int]]]]:
    """Rows of words: the class of each, and its ids; class -1 stands for a special token."""
    word = st.tuples(
        st.just(1), st.sampled_from([0, 3, NO_CLASS]),
        st.lists(st.integers(2, 9), min_size=1, max_size=LONGEST + 1),
    )  # fmt: skip
    special = st.tuples(st.just(0), st.just(NO_CLASS), st.just([0]))
    return draw(st.lists(st.lists(st.one_of(word, special), max_size=5), min_size=1, max_size=4))


def _stored(rows: list[list[tuple[int, int, list[int]]]]) -> Rows:
    length = max((sum(len(ids) for _, _, ids in row) for row in rows), default=0) + 1
    ids = np.ones((len(rows), length), np.uint16)
    starts, classes = np.zeros(ids.shape, bool), np.full(ids.shape, NO_CLASS, np.uint8)
    for number, row in enumerate(rows):
        at = 0
        for is_word, kind, of_word in row:
            ids[number, at : at + len(of_word)] = of_word
            classes[number, at : at + len(of_word)] = kind
            starts[number, at] = bool(is_word)
            at += len(of_word)
    return Rows(ids, starts, classes, np.full(len(rows), length, np.int32))


@given(rows_of_words())
def test_row_counts_are_those_of_a_loop_over_words(
    rows: list[list[tuple[int, int, list[int]]]],
) -> None:
    found = RowCounts.of(_stored(rows), SPECIAL, 10)
    words = [word for row in rows for word in row if word[0]]
    entries = Counter(token for _, _, ids in words for token in ids)
    lengths = Counter(min(len(ids), LONGEST) for _, _, ids in words)
    assert found.entries.tolist() == [entries[index] for index in range(10)]
    assert found.lengths.tolist() == [lengths[length] for length in range(1, LONGEST + 1)]
    for kind in (0, 3, NO_CLASS):
        assert found.class_words[kind] == sum(one == kind for _, one, _ in words)
        assert found.class_tokens[kind] == sum(len(ids) for _, one, ids in words if one == kind)


@given(rows_of_words(), rows_of_words())
def test_row_counts_add_up(
    one: list[list[tuple[int, int, list[int]]]], two: list[list[tuple[int, int, list[int]]]]
) -> None:
    together = RowCounts.of(_stored(one + two), SPECIAL, 10)
    apart = RowCounts.of(_stored(one), SPECIAL, 10) + RowCounts.of(_stored(two), SPECIAL, 10)
    for name, value in vars(together).items():
        assert np.array_equal(value, getattr(apart, name))


def test_row_counts_of_a_corpus_are_those_of_its_manifest(opened: PreparedCorpus) -> None:
    """Of the words, those that rows cut count twice here."""
    tokenizer = load_tokenizer(opened.tokenizer_directory)
    special = {*tokenizer.frame.ids, tokenizer.pad_id}
    for split, recorded in (
        (opened.train, opened.manifest.train),
        (opened.held_out, opened.manifest.held_out),
    ):
        found = count_rows(split, special, opened.manifest.vocab_size, ignore)
        assert found.num_tokens == recorded.num_tokens
        assert 0 <= found.num_words - recorded.num_words < len(split)
        for index, name in enumerate(opened.manifest.class_names):
            assert found.class_tokens[index] == recorded.class_counts.get(name, 0)

"""Windows over long sentences: every word once, where it has most context."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tidemask.tasks.tagging.windows import SentenceWindow, sentence_windows

_LENGTHS = st.lists(st.integers(1, 12), max_size=60)


def _context(lengths: list[int], window: SentenceWindow, word: int) -> int:
    return min(sum(lengths[window.start : word]), sum(lengths[word + 1 : window.stop]))


@given(_LENGTHS, st.integers(1, 20))
def test_tagging_windows_label_every_word_once_where_it_has_most_context(
    lengths: list[int], capacity: int
) -> None:
    found = sentence_windows(lengths, capacity)
    labelled = [word for w in found for word in range(w.label_start, w.label_stop)]
    assert labelled == list(range(len(lengths)))
    cut = [min(length, capacity) for length in lengths]
    for word in labelled:
        holders = [w for w in found if w.start <= word < w.stop]
        contexts = [_context(cut, w, word) for w in holders]
        chosen = next(i for i, w in enumerate(holders) if w.label_start <= word < w.label_stop)
        assert chosen == contexts.index(max(contexts))


@given(_LENGTHS, st.integers(1, 20))
def test_tagging_windows_are_full_and_no_longer_than_allowed(
    lengths: list[int], capacity: int
) -> None:
    cut = [min(length, capacity) for length in lengths]
    found = sentence_windows(lengths, capacity)
    for w in found:
        assert sum(cut[w.start : w.stop]) <= capacity
        assert w.stop == len(cut) or sum(cut[w.start : w.stop + 1]) > capacity
    for w, later in pairwise(found):
        assert w.start < later.start <= w.stop < later.stop
        assert sum(cut[later.start : w.stop]) <= capacity / 4


def test_tagging_windows_of_a_sentence_that_fits_are_one() -> None:
    assert sentence_windows([2, 1, 3], 6) == [SentenceWindow(0, 3, 0, 3)]
    assert sentence_windows([], 6) == []


def test_tagging_windows_overlap_by_a_quarter() -> None:
    first, second = sentence_windows([1] * 12, 8)
    assert (first, second) == (SentenceWindow(0, 8, 0, 7), SentenceWindow(6, 12, 7, 12))

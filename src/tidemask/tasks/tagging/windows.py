"""Long sentences in windows: no word is lost, and each is labelled in exactly one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

OVERLAP = 0.25
"""Share of a window that is repeated from the one before, as context."""


@dataclass(frozen=True)
class SentenceWindow:
    """Adjacent words that a model reads at once, and those among them that have labels there.

    Attributes:
        start: first word.
        stop: after the last word.
        label_start: first word labelled here, at least `start`.
        label_stop: after the last word labelled here, at most `stop`.
    """

    start: int
    stop: int
    label_start: int
    label_stop: int


def sentence_windows(num_subwords: Sequence[int], capacity: int) -> list[SentenceWindow]:
    """The windows of one sentence, in order; a single one if the sentence fits.

    Neighbours overlap by up to a quarter. Of two windows that have a word, the one where it has
    more context labels it: the rule by which BERT reads long paragraphs for SQuAD, where the
    context is the smaller of the tokens to the left and to the right.

    Args:
        num_subwords: of each word, at least 1. A word of more than `capacity` counts as one of
            `capacity`: it is cut, but keeps its first subword, which is the one that is labelled.
        capacity: subwords of a window, at least 1.

    References:
        Devlin et al., "BERT" (2019), `_check_is_max_context` of their `run_squad.py`.
    """
    ends = np.concatenate([[0], np.cumsum(np.minimum(num_subwords, capacity))])
    spans = _spans(ends, capacity)
    # Of two neighbours, a word's left context is the smaller side in the later window, and its
    # right context in the earlier one. Along the words that they share the former grows and the
    # latter shrinks: up to where they cross, the earlier window labels; from there on, the later.
    bounds = [0]
    for (_, stop), (start, _) in pairwise(spans):
        words = np.arange(start, stop)
        left, right = ends[words] - ends[start], ends[stop] - ends[words + 1]
        bounds.append(start + int(np.count_nonzero(left <= right)))
    bounds.append(len(num_subwords))
    return [
        SentenceWindow(*span, label_start=first, label_stop=after)
        for span, (first, after) in zip(spans, pairwise(bounds), strict=False)
    ]


def _spans(
    ends: np.ndarray[tuple[int], np.dtype[np.int64]], capacity: int
) -> list[tuple[int, int]]:
    """Words of each window; every window ends later than the one before."""
    # `ends[w]` counts the subwords before word w. A window begins at a quarter of the capacity
    # before the end of the last one, later where the next word would not fit, and takes as many
    # words as fit.
    num_words = len(ends) - 1
    overlap = int(capacity * OVERLAP)
    spans = []
    start = stop = 0
    while stop < num_words:
        wanted = max(ends[stop] - overlap, ends[stop + 1] - capacity) if stop else 0
        start = int(np.searchsorted(ends, wanted))
        stop = int(np.searchsorted(ends, ends[start] + capacity, side="right")) - 1
        spans.append((start, stop))
    return spans

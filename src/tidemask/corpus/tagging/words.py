"""A tagger's words, with their places and classes, and the classes that tokens have of them.

A token has the class of the tagger word that shares most characters with it, the first of them if
several share as many; or, where the words of a corpus are not the tagger's, with its whole word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.words.spans import Words
from tidemask.token_classes import NO_CLASS


@dataclass(frozen=True)
class TaggedWords(Words):
    """The words of one text with their classes.

    Attributes:
        classes: index into the tagger's `class_names`, uint8 [W].
    """

    classes: NDArray[np.uint8]


class Tagger(Protocol):
    """A tagger, as preparation uses it.

    Attributes:
        name: what `load_tagger` makes it from, in another process too.
        fingerprint: names the tagger's behaviour; two that differ may tag differently.
        class_names: the classes in the order of their indices.
    """

    name: str
    fingerprint: str
    class_names: tuple[str, ...]

    def tag(self, texts: Sequence[str]) -> list[TaggedWords]:
        """The words of each text; a text's words do not depend on the other texts."""
        ...


def align_classes(
    tagged: TaggedWords,
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    word_starts: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """The class of every token: that of its whole word, `NO_CLASS` where no tagger word is.

    A word reaches from its first token's first character to the end of its last.

    Args:
        tagged: the tagger's words of the same text, ascending, without overlap.
        starts: offset of each token's first character, ascending, shape [N].
        ends: offset after each token's last character, ascending, shape [N].
        word_starts: whether a token is its word's first, shape [N]; position 0 always is.

    Returns:
        Classes, shape [N]; the arguments are not changed.

    Example:
        >>> import numpy as np
        >>> words = TaggedWords(np.array([0, 4]), np.array([3, 9]), np.array([5, 7], np.uint8))
        >>> starts, ends = np.array([0, 4, 7, 9]), np.array([3, 7, 9, 10])  # the mat|ter|.
        >>> align_classes(words, starts, ends, np.array([True, True, False, True])).tolist()
        [5, 7, 7, 255]
    """
    return _classes_at(tagged, align_words(tagged, starts, ends, word_starts))


def align_words(
    words: Words,
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    word_starts: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """For every token, which of some words shares most characters with its whole word.

    Args:
        words: of the same text, ascending, without overlap.
        starts: offset of each token's first character, ascending, shape [N].
        ends: offset after each token's last character, ascending, shape [N].
        word_starts: whether a token is its word's first, shape [N]; position 0 always is.

    Returns:
        Indices of words, the first of several that share as much; -1 where there is none, [N].
    """
    if not len(starts):
        return np.empty(0, np.int64)
    is_first = word_starts.copy()
    is_first[0] = True
    first_tokens = np.flatnonzero(is_first)
    word_begins = np.minimum.reduceat(starts, first_tokens)
    word_ends = np.maximum.reduceat(ends, first_tokens)
    of_words = _most_shared(words, word_begins, word_ends)
    indices: NDArray[np.int64] = of_words[np.cumsum(is_first) - 1]
    return indices


def own_classes(
    tagged: TaggedWords,
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    word_starts: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """The class of every token by itself, where the words are the tagger's own.

    A token that no tagger word overlaps, as a mark of a space alone, has the class of the next one
    of its word that has any. Arguments and result are as for `align_classes`, from which this
    differs only where a token spans several words: its neighbours keep the classes of theirs.
    """
    classes = _classes_at(tagged, _most_shared(tagged, starts, ends))
    without = classes == NO_CLASS
    if without.any():
        last = len(classes) - 1
        following = np.where(without, last, np.arange(len(classes)))
        following = np.minimum.accumulate(following[::-1])[::-1]
        word = np.cumsum(word_starts)
        classes = np.where(word[following] == word, classes[following], classes)
    return classes


def _classes_at(tagged: TaggedWords, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The classes of words by their indices; -1 has none."""
    classes: NDArray[np.uint8] = np.append(tagged.classes, np.uint8(NO_CLASS))[indices]
    return classes


def _most_shared(
    words: Words, begins: NDArray[np.int32], ends: NDArray[np.int32]
) -> NDArray[np.int64]:
    """For each tokenizer word [begin, end), which word shares most characters with it, or -1."""
    # Both kinds of words ascend, so the words that overlap a tokenizer word w are adjacent:
    # from first[w] up to last[w], exclusive. All overlapping pairs (word, other) are laid out in
    # one flat array, grouped by tokenizer word, and the best pair of each group is taken.
    first = np.searchsorted(words.ends, begins, side="right")
    last = np.searchsorted(words.starts, ends, side="left")
    num_overlapping = np.maximum(last - first, 0)
    word = np.repeat(np.arange(len(begins)), num_overlapping)
    group_starts = np.cumsum(num_overlapping) - num_overlapping
    other = np.arange(len(word)) - group_starts[word] + first[word]
    shared = np.minimum(ends[word], words.ends[other]) - np.maximum(
        begins[word], words.starts[other]
    )

    most_shared = np.zeros(len(begins), shared.dtype)
    np.maximum.at(most_shared, word, shared)
    best = np.flatnonzero((shared > 0) & (shared == most_shared[word]))
    indices = np.full(len(begins), -1, np.int64)
    indices[word[best][::-1]] = other[best][::-1]  # the earliest is written last
    return indices

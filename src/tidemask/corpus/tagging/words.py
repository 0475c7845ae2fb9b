"""A tagger's words, with their places and classes, and the tokens that each of them covers.

Tagger and tokenizer each divide a text in their own way. A tokenizer word takes the class of the
tagger word that shares most characters with it; the first of them, if several share as many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidemask.token_classes import NO_CLASS


@dataclass(frozen=True)
class TaggedWords:
    """The words of one text, ascending, without overlap; they cover all but white space.

    Attributes:
        starts: offset of each word's first character, as Python indexes `str`, int32 [W].
        ends: offset after each word's last character, int32 [W].
        classes: index into the tagger's `class_names`, uint8 [W].
    """

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
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
    """The class of every token: that of its word, `NO_CLASS` where no tagger word overlaps it.

    A tokenizer word reaches from its first token's first character to the end of its last.

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
    if not len(starts):
        return np.empty(0, np.uint8)
    is_first = word_starts.copy()
    is_first[0] = True
    first_tokens = np.flatnonzero(is_first)
    word_begins = np.minimum.reduceat(starts, first_tokens)
    word_ends = np.maximum.reduceat(ends, first_tokens)
    word_classes = _classes_of_words(tagged, word_begins, word_ends)
    classes: NDArray[np.uint8] = word_classes[np.cumsum(is_first) - 1]
    return classes


def _classes_of_words(
    tagged: TaggedWords, begins: NDArray[np.int32], ends: NDArray[np.int32]
) -> NDArray[np.uint8]:
    """Class of each tokenizer word [begin, end)."""
    # Both kinds of words ascend, so the tagger words that overlap a tokenizer word w are adjacent:
    # from first[w] up to last[w], exclusive. All overlapping pairs (word, other) are laid out in
    # one flat array, grouped by tokenizer word, and the best pair of each group gives the class.
    first = np.searchsorted(tagged.ends, begins, side="right")
    last = np.searchsorted(tagged.starts, ends, side="left")
    num_overlapping = np.maximum(last - first, 0)
    word = np.repeat(np.arange(len(begins)), num_overlapping)
    group_starts = np.cumsum(num_overlapping) - num_overlapping
    other = np.arange(len(word)) - group_starts[word] + first[word]
    shared = np.minimum(ends[word], tagged.ends[other]) - np.maximum(
        begins[word], tagged.starts[other]
    )

    most_shared = np.zeros(len(begins), shared.dtype)
    np.maximum.at(most_shared, word, shared)
    best = np.flatnonzero((shared > 0) & (shared == most_shared[word]))
    classes = np.full(len(begins), NO_CLASS, np.uint8)
    classes[word[best][::-1]] = tagged.classes[other[best]][::-1]  # the earliest is written last
    return classes

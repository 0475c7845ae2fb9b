"""Which tokens begin a word, for any fast tokenizer, from its offsets alone.

A token begins a word when the pre-tokenizer says so, when white space lies before it, or when its
first character and the last one of the token before differ in being alphanumeric, so that a
SentencePiece "mat." is two words. No tagger is asked: a corpus has the same words whatever tags it.
Combining marks and joiners count as the character that they belong to, and a token that begins
within a character, as bytes of an emoji do, never begins a word.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

_OTHER, _ALPHANUMERIC, _JOINING, _SPACE = range(4)


def find_word_starts(
    text: str,
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    word_ids: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Whether each token begins a word; the first always does.

    Args:
        text: the text that was encoded.
        starts: offset of each token's first character, shape [N].
        ends: offset after each token's last character, shape [N].
        word_ids: the pre-tokenizer's number of each token's word, shape [N].
    """
    if not len(starts):
        return np.empty(0, np.bool_)
    kinds = _kinds(text)
    is_space = kinds == _SPACE
    num_spaces = np.concatenate([[0], np.cumsum(is_space)])
    next_ink = _next_false(is_space)
    first_ink = next_ink[starts]
    is_blank = first_ink >= ends

    is_start = np.ones(len(starts), np.bool_)
    differs = kinds[first_ink[1:]] != kinds[np.maximum(ends[:-1] - 1, 0)]
    spaced = num_spaces[first_ink[1:]] > num_spaces[ends[:-1]]
    by_characters = (differs | spaced) & ~is_blank[:-1] & ~is_blank[1:]
    is_start[1:] = (word_ids[1:] != word_ids[:-1]) | by_characters | (is_blank[1:] & ~is_blank[:-1])
    is_start[1:] &= starts[1:] >= np.maximum.accumulate(ends)[:-1]
    return is_start


def _kinds(text: str) -> NDArray[np.uint8]:
    """Kind of each character, one more at the end; a joining one has that of its base."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    kinds = np.append(_kind_table()[points], np.uint8(_OTHER))
    bases = np.where(kinds == _JOINING, 0, np.arange(len(kinds)))
    return kinds[np.maximum.accumulate(bases)]


def _next_false(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first place at or after each that is false; the last flag must be."""
    places = np.where(flags, len(flags) - 1, np.arange(len(flags)))
    return np.minimum.accumulate(places[::-1])[::-1]


@cache
def _kind_table() -> NDArray[np.uint8]:
    """Kind of every Unicode character, 1.1 MB."""
    return np.fromiter((_kind(chr(point)) for point in range(sys.maxunicode + 1)), np.uint8)


def _kind(character: str) -> int:
    if character.isspace():
        return _SPACE
    if character.isalnum():
        return _ALPHANUMERIC
    category = unicodedata.category(character)
    return _JOINING if category == "Cf" or category[0] == "M" else _OTHER

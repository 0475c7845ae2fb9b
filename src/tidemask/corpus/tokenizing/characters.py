"""What each character of a text is to words: a letter, a mark of one, a space, or another."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.words.white_space import code_points, is_space

OTHER, ALPHANUMERIC, JOINING, SPACE = range(4)
"""Kinds of characters. A joining one belongs to that before it: a combining mark, a joiner, or a
vowel or final consonant of a decomposed Korean syllable."""

_NOT_ASKED = 255

_JAMO = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))
"""Vowels and final consonants that compose with the consonant before them."""

_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""First and last code points of the blocks of CJK ideographs."""


def kinds_of(text: str) -> NDArray[np.uint8]:
    """Kind of each character, shape [characters]."""
    # Asked for all 1.1 million characters at once, `unicodedata` takes seconds; a text has few.
    points, table = code_points(text), _kind_table()
    kinds = table[points]
    if len(new := points[kinds == _NOT_ASKED]):
        for point in np.unique(new).tolist():
            table[point] = _kind(chr(point))
        kinds = table[points]
    return kinds


def are_ideographs(text: str) -> NDArray[np.bool_]:
    """Whether each character is a CJK ideograph, shape [characters]."""
    points = code_points(text)
    are_some = np.zeros(len(points), np.bool_)
    for first, last in _IDEOGRAPHS:
        are_some |= (points >= first) & (points <= last)
    return are_some


@cache
def _kind_table() -> NDArray[np.uint8]:
    """Kind of every Unicode character that was met in a text, 1.1 MB."""
    return np.full(sys.maxunicode + 1, _NOT_ASKED, np.uint8)


def _kind(character: str) -> int:
    if is_space(character):
        return SPACE
    category = unicodedata.category(character)
    is_jamo = any(ord(character) in block for block in _JAMO)
    if category == "Cf" or category[0] == "M" or is_jamo:
        return JOINING
    return ALPHANUMERIC if character.isalnum() else OTHER

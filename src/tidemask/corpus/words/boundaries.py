"""Words by the rules of Unicode, in any language, or by white space alone.

The rules are those of Unicode Standard Annex 29 as ICU has them: letters with their marks and
joiners are one word (`किताब`, `été` in either normal form, `می‌روم`), so are `don't`, `1,000.50` and
`foo_bar`; a hyphen and any other mark of punctuation is a word by itself, and so is an emoji,
however many characters it is made of. Chinese, Japanese, Thai, Lao, Khmer and Burmese, which write
no spaces, are cut by ICU's dictionaries.

References:
    Unicode Standard Annex 29, "Unicode Text Segmentation", section 4.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.units import has_unspaced_script
from tidemask.corpus.words.spans import Words
from tidemask.corpus.words.white_space import code_points, is_white_space

_LOCALE = "root"
"""Of ICU: the rules without those of single languages, of which Finnish and Swedish have some."""

_LAST_OF_ONE_UNIT = 0xFFFF
"""The last character that has one unit in UTF-16, in which ICU counts."""


def unicode_words(text: str) -> Words:
    """The words of a text by the rules of Unicode; all but white space is in exactly one.

    Example:
        >>> words = unicode_words("She's in 東京に。")
        >>> ["She's in 東京に。"[a:b] for a, b in zip(words.starts, words.ends)]
        ["She's", 'in', '東京', 'に', '。']
    """
    from icu4py.breakers import WordBreaker

    ends = np.fromiter((end for _, end in WordBreaker(text, _LOCALE).segments()), np.int32)
    ends = _in_characters(text, ends)
    return _without_space(text, np.append(np.int32(0), ends[:-1])[: len(ends)], ends)


def parts_at_words(text: str) -> list[str]:
    """A text cut where two words of letters or digits meet, as in scripts without spaces.

    A tokenizer that is trained on the parts has no entry that is of two words.

    Example:
        >>> parts_at_words("東京に行く。 No other text is cut.")
        ['東京', 'に', '行く。 No other text is cut.']
    """
    if not has_unspaced_script(text):
        return [text]
    words = unicode_words(text)
    starts = words.starts[1:][words.starts[1:] == words.ends[:-1]].tolist()
    cuts = [start for start in starts if text[start].isalnum() and _ends_word(text[start - 1])]
    return [text[begin:end] for begin, end in pairwise([0, *cuts, len(text)])]


def _ends_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def spaced_words(text: str) -> Words:
    """What stands between white space, punctuation and all."""
    is_space = np.append(True, is_white_space(text))
    edges = np.flatnonzero(is_space[1:] != is_space[:-1]).astype(np.int32)
    return Words(edges[::2], edges[1::2])


WordRule = Literal["auto", "tagger", "unicode", "whitespace", "tokenizer"]
"""Where words come from: `auto` is the tagger where there is one, else Unicode."""

OF_TEXT: dict[WordRule, Callable[[str], Words]] = {
    "unicode": unicode_words,
    "whitespace": spaced_words,
}
"""The rules that need a text alone."""


def _in_characters(text: str, units: NDArray[np.int32]) -> NDArray[np.int32]:
    """Offsets in characters, from offsets in UTF-16 units as ICU counts them."""
    is_long = code_points(text) > _LAST_OF_ONE_UNIT
    if not is_long.any():
        return units
    ends_in_units = np.cumsum(1 + is_long.astype(np.int32))
    return (np.searchsorted(ends_in_units, units) + 1).astype(np.int32)


def _without_space(text: str, starts: NDArray[np.int32], ends: NDArray[np.int32]) -> Words:
    """The segments that are words: white space is none, nor does any begin or end with it."""
    is_space = is_white_space(text)[:-1]
    num_visible = np.concatenate([[0], np.cumsum(~is_space)])
    visible = np.flatnonzero(~is_space).astype(np.int32)
    is_word = num_visible[ends] > num_visible[starts]
    starts, ends = starts[is_word], ends[is_word]
    return Words(visible[num_visible[starts]], visible[num_visible[ends] - 1] + np.int32(1))

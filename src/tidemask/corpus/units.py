"""Words and characters of a text, counted and compared alike in every script.

Words are runs of letters, digits and the marks and joiners that belong to them: Hindi vowel signs
and Persian half-spaces are within words. Where a script is written without spaces (Chinese,
Japanese, Thai, Lao, Khmer, Burmese), each letter with its marks counts as a word.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

import regex

Unit = Literal["word", "character"]
"""What near-duplicates are compared by."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_UNITS: dict[Unit, regex.Pattern[str]] = {
    "word": regex.compile(
        rf"[{_UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}\p{{Pc}}\u200c\u200d]--[{_UNSPACED}]]+",
        regex.V1,
    ),
    "character": regex.compile(r"[\p{L}\p{N}\p{Pc}]\p{M}*", regex.V1),
}
_ASCII_WORD = re.compile(r"\w+", re.ASCII)
_UNSPACED_LETTER = regex.compile(rf"[[{_UNSPACED}]--\p{{M}}]\p{{M}}*", regex.V1)


def compared_units(text: str, unit: Unit) -> list[str]:
    r"""The words or characters of a text, in order, without case and punctuation.

    Example:
        >>> compared_units("Don't STOP at \u0915\u093f\u0924\u093e\u092c!", "word")
        ['don', 't', 'stop', 'at', 'किताब']
        >>> compared_units("中文 and text", "word")
        ['中', '文', 'and', 'text']
    """
    if text.isascii() and unit == "word":
        return _ASCII_WORD.findall(text.lower())
    found: list[str] = _UNITS[unit].findall(unicodedata.normalize("NFC", text).casefold())
    return found


def count_words(text: str) -> int:
    """Words separated by white space, and every letter of a script without spaces.

    It measures documents against each other, before there is a tokenizer.

    Example:
        >>> count_words("three little words"), count_words("中文")
        (3, 2)
    """
    num_words = len(text.split())
    if text.isascii() or not (letters := len(_UNSPACED_LETTER.findall(text))):
        return num_words
    return letters + len(_UNSPACED_LETTER.sub("", text).split())


def has_unspaced_script(text: str) -> bool:
    """Whether a text has a letter of a script that is written without spaces.

    Example:
        >>> has_unspaced_script("words"), has_unspaced_script("中文 and text")
        (False, True)
    """
    return not text.isascii() and _UNSPACED_LETTER.search(text) is not None

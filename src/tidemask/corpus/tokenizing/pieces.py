"""Text for training a tokenizer, cut into pieces that are normalised and cut into words once each.

The trainers of `tokenizers` do both for every text, in one thread, which takes most of their time;
but most pieces of a text have occurred before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from tokenizers.pre_tokenizers import PreTokenizer

MAX_PIECES = 1 << 16
"""That are kept at a time."""

_LONGEST_KEPT = 32
"""Characters of a piece that is kept; longer ones seldom occur again."""

_BEFORE_WORD = re.compile(r"(?<=[^\s\u200b])(?= [^\s\u200b])")
"""Before a single space."""


def spaced_pieces(text: str) -> list[str]:
    """What stands between spaces and ends of lines; at least one piece, which may be empty.

    No step of normalisation looks across them: they neither join with a character nor change one.
    (What else Python takes for white space may be dropped by one.)
    """
    return text.replace("\n", " ").split(" ")


def pieces_with_space(text: str) -> list[str]:
    r"""A text cut before each single space; with the space, as byte-level words have it.

    Example:
        >>> pieces_with_space("the tide  turns.\n It falls")
        ['the', ' tide  turns.\n It', ' falls']
    """
    return _BEFORE_WORD.split(text)


def cut(text: str, words: PreTokenizer) -> str:
    """A text's words with spaces between them; the pre-tokenizer leaves no white space in any."""
    return " ".join(word for word, _ in words.pre_tokenize_str(text))


def once_for_each(change: Callable[[str], str]) -> Callable[[Sequence[str]], str]:
    """What changes pieces and joins them by spaces; it keeps the pieces that came last, changed.

    Args:
        change: of a piece, which depends on nothing else.
    """
    kept = lru_cache(MAX_PIECES)(change)

    def changed(pieces: Sequence[str]) -> str:
        return " ".join([kept(p) if len(p) <= _LONGEST_KEPT else change(p) for p in pieces])

    return changed

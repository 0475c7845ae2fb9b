"""Long documents in parts while they are encoded, so that memory stays flat; joined again after.

A part ends before the end of a line, where tokens end too: white space goes with what follows it.
In a line that is longer than a part it ends before a space, else after the end of a sentence, else
anywhere between two letters. Where words are given it ends before the word that would be cut. Rows
know nothing of parts.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np

from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.rows import EncodedDocument
from tidemask.corpus.words.spans import Words

MAX_PART_CHARACTERS = 1 << 18
"""Characters of a part at most, about 45,000 English words."""

_SENTENCE_ENDS = "。！？।။"


def part_ends(text: str, words: Words | None = None) -> list[int]:
    r"""The offsets after each part of a text, the last of which is its length.

    Args:
        text: of a document.
        words: that no part ends within, unless one is longer than a part.

    Example:
        >>> from unittest.mock import patch
        >>> with patch("tidemask.corpus.long_documents.MAX_PART_CHARACTERS", 10):
        ...     part_ends("one two\nthree four five")
        [7, 13, 23]
    """
    ends = [0]
    while len(text) - ends[-1] > MAX_PART_CHARACTERS:
        first = ends[-1] + 1
        end = _last_break(text, first, ends[-1] + MAX_PART_CHARACTERS)
        ends.append(end if words is None else _before_word(text, first, end, words))
    return [*ends[1:], len(text)]


def _last_break(text: str, first: int, last: int) -> int:
    """The best place in a stretch of a text to end a part at."""
    for space in "\n ":
        end = text.rfind(space, first, last)
        while end > first and text[end - 1].isspace():
            end -= 1
        if end > first:
            return end
    end = max(text.rfind(mark, first, last) for mark in _SENTENCE_ENDS) + 1
    if end > first:
        return end
    end = last
    while end > first and _belongs_to_the_one_before(text[end]):
        end -= 1
    return end if end > first else last


def _before_word(text: str, first: int, end: int, words: Words) -> int:
    """The end of a part, before the word that it would cut and the white space before that."""
    cut = int(np.searchsorted(words.ends, end, side="right"))
    if cut == len(words.starts) or words.starts[cut] >= end:
        return end
    before = int(words.starts[cut])
    while before > first and text[before - 1].isspace():
        before -= 1
    return before if before > first else end


def _belongs_to_the_one_before(character: str) -> bool:
    return unicodedata.category(character).startswith("M") or character in "\u200c\u200d"


class CutDocuments:
    """Cuts a stream of documents into parts, and joins what became of them, in order."""

    def __init__(self) -> None:
        """Nothing is cut yet."""
        self._begins: deque[list[int]] = deque()

    def parts(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents, long ones in several, each with its part of the words that are given."""
        for document in documents:
            text, words = document.text, document.words
            if len(text) <= MAX_PART_CHARACTERS:
                self._begins.append([0])
                yield document
                continue
            ends = part_ends(text, words)
            self._begins.append([0, *ends[:-1]])
            for begin, end in pairwise([0, *ends]):
                of_part = None if words is None else words.within(begin, end)
                yield replace(document, text=text[begin:end], words=of_part)

    def joined(self, encoded: Iterator[EncodedDocument]) -> Iterator[EncodedDocument]:
        """The encoded documents, of their encoded parts; one for each that was cut."""
        for first in encoded:
            begins = self._begins.popleft()
            if len(begins) == 1:
                yield first
                continue
            parts = [first, *islice(encoded, len(begins) - 1)]
            yield EncodedDocument.joined(
                replace(part, starts=part.starts + begin)
                for part, begin in zip(parts, begins, strict=True)
            )

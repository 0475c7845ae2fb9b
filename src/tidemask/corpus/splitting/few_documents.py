"""A single document in passages, which are the documents then, so that some can be held out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, pairwise

from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.plan import Documents
from tidemask.corpus.units import count_words

NUM_PASSAGES = 20
"""Passages that a single document is cut into, where it is long enough."""

MIN_WORDS = 50
"""Words of a passage at least; a document of fewer than twice as many is not cut."""

_SENTENCE_ENDS = re.compile(r"\n+|(?<=[.!?…])\s+|(?<=[。！？।။])")
_WORD_ENDS = re.compile(r"\s+")


@dataclass(frozen=True)
class Passages:
    """The passages of documents as documents of their own.

    Those in a given split stay whole, and so do those that are left out.
    """

    documents: Documents

    def __call__(self) -> Iterator[Document]:
        """Stream the passages, in the order of the text."""
        for document in self.documents():
            if document.held_out is not None or document.left_out:
                yield document
                continue
            end = 0
            for text in passages(document.text):
                start = document.text.index(text, end)
                end = start + len(text)
                words = document.words and document.words.within(start, end)
                yield replace(document, text=text, words=words)


def passages(text: str) -> list[str]:
    r"""A text in passages of 50 words or more, cut at lines and sentences, else at spaces.

    All of the text is in them but white space between two.

    Example:
        >>> sentence = "One two three four five six seven eight nine ten. "
        >>> [len(passage.split()) for passage in passages(sentence * 11)]
        [50, 60]
    """
    size = max(MIN_WORDS, math.ceil(count_words(text) / NUM_PASSAGES))
    for boundary in (_SENTENCE_ENDS, _WORD_ENDS):
        found = _cut((match.end() for match in boundary.finditer(text)), text, size)
        if len(found) > 1:
            return found
    return [text]


def _cut(ends: Iterable[int], text: str, size: int) -> list[str]:
    """The text cut at the first of some places after each `size` words; a short rest is added."""
    cuts, previous, words = [0], 0, 0
    for end in chain(ends, [len(text)]):
        words += count_words(text[previous:end])
        previous = end
        if words >= size:
            cuts.append(end)
            words = 0
    if len(cuts) > 1:
        cuts[-1] = len(text)  # a rest of less than `size` words belongs to the last passage
    return [text[start:end].strip() for start, end in pairwise(cuts)]

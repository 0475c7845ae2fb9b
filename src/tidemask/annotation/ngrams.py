"""The n-grams of words of a corpus: their keys, and counts of those that are frequent.

They are counted in a pass for each length, and an n-gram only where both of its parts of one word
less are frequent, as it cannot be more frequent than they are (Agrawal and Srikant, "Fast
algorithms for mining association rules", VLDB 1994). So few keys are kept, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tidemask.annotation.bounded_counts import CAPACITY, BoundedCounts, CountTable
from tidemask.annotation.document_words import DocumentWords, WordKeys, mixed_bits
from tidemask.annotation.source import DocumentTokens
from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder

_UNDECODED = "\ufffd"


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of some documents, by the word that they begin with.

    Attributes:
        words: of the documents, W of them.
        keys: for each length from 1, the key of the n-gram that begins at each word, [W].
        there: for each length from 1, whether one begins there: all its words are of one document,
            and each has a letter or digit, [W].
    """

    words: DocumentWords
    keys: Sequence[WordKeys]
    there: Sequence[NDArray[np.bool_]]

    @classmethod
    def of(
        cls, documents: Sequence[DocumentTokens], lettered: NDArray[np.bool_], longest: int
    ) -> Ngrams:
        """The n-grams of up to `longest` words.

        Args:
            documents: of a corpus.
            lettered: whether each entry of its vocabulary has a letter or digit, [V].
            longest: words of the longest.
        """
        words = DocumentWords.of(documents)
        of_tokens = lettered[np.concatenate([document.ids for document in documents])]
        there = [
            np.logical_or.reduceat(of_tokens, words.starts) if len(words.starts) else of_tokens
        ]
        keys = [words.keys]
        for length in range(2, longest + 1):
            last = _shifted(words.keys, length - 1)
            keys.append(mixed_bits(mixed_bits(keys[-1]) + last))
            of_one_document = _shifted(words.document, length - 1) == words.document
            there.append(there[-1] & _shifted(there[0], length - 1) & of_one_document)
            there[-1][max(0, len(last) - length + 1) :] = False
        return cls(words, keys, there)


def _shifted(of_words: NDArray[Any], by: int) -> NDArray[Any]:
    """What the word so many words later has, [W]; anything at the end."""
    return np.roll(of_words, -by)


def entries_with_letters(encoder: PlainTextEncoder) -> NDArray[np.bool_]:
    """Whether each entry of a vocabulary has a letter or digit, or a part of a character, [V]."""
    backend = Tokenizer.from_str(encoder.serialised)
    size = 1 + max(backend.get_vocab(with_added_tokens=True).values())
    spelt = backend.decode_batch([[entry] for entry in range(size)], skip_special_tokens=False)
    return np.array([any(c.isalnum() or c == _UNDECODED for c in each) for each in spelt], np.bool_)


def frequent_ngrams(
    passes: Callable[[int], Iterable[Ngrams]],
    longest: int,
    at_least: int,
    *,
    capacity: int = CAPACITY,
) -> list[CountTable]:
    """The counts of the frequent n-grams, for each length from 1.

    Args:
        passes: reads the documents for a length; the n-grams have at least that many words.
        longest: words of the longest.
        at_least: occurrences of a frequent one.
        capacity: n-grams of a length that are kept at most; see `BoundedCounts` for the error.
    """
    tables: list[CountTable] = []
    for length in range(1, longest + 1):
        counts = BoundedCounts(capacity)
        for ngrams in passes(length):
            candidates = ngrams.there[length - 1]
            if length > 1:
                frequent = is_listed(ngrams, length - 1, tables[-1])
                candidates = candidates & frequent & _shifted(frequent, 1)
            counts.add(ngrams.keys[length - 1][candidates])
        tables.append(counts.table().of_at_least(at_least))
    return tables


def is_listed(ngrams: Ngrams, length: int, table: CountTable) -> NDArray[np.bool_]:
    """Whether the n-gram that begins at each word is in a table, [W]."""
    listed = ngrams.there[length - 1].copy()
    listed[listed] = table.of(ngrams.keys[length - 1][listed]) > 0
    return listed

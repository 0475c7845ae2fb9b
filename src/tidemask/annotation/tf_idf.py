"""TF-IDF of words as a source of weights, computed from the corpus itself in two passes.

The weight of a word `w` in a document `d` that has it `c(w, d)` times, where `f(w)` of the `n`
documents of the training split have the word, is

    (1 + ln c(w, d)) * ln((1 + n) / (1 + f(w)))

the product of a logarithmic frequency and the inverse document frequency (Manning, Raghavan and
Schütze, "Introduction to Information Retrieval", 2008, sections 6.2 and 6.4.1), where `f` and `n`
are smoothed as if one more document had every word, so that a word that only held-out documents
have has a weight, too. A word that all documents have has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.bounded_counts import CAPACITY, BoundedCounts, CountTable
from tidemask.annotation.document_words import DocumentWords, training_documents
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.errors import UserError
from tidemask.token_classes import ColumnKind

COUNTING = "counting words"
"""Name of the first pass for the progress callback, which counts rows of the training split."""


@dataclass(frozen=True)
class TfIdf:
    """The document frequency of each word of a corpus.

    Words are the same if their tokens are: as the tokenizer has them, a capital letter or a space
    before may make another word.

    Attributes:
        num_documents: of the training split.
        frequencies: in how many of them each word is.
    """

    num_documents: int
    frequencies: CountTable
    kind: ColumnKind = "weight"
    class_names: tuple[str, ...] = ()
    fingerprint: str = f"tfidf 1, up to {CAPACITY} words"
    reads_texts: bool = False
    max_workers: int | None = None

    @classmethod
    def of(cls, request: SourceRequest) -> TfIdf:
        """Read the training split once.

        Raises:
            UserError: the name has an argument, another kind is asked for, or the corpus has only
                one document to train on.
        """
        request.kind_among("weight")
        if request.name != "tfidf":
            raise UserError(f"unusable source: {request.name!r}. Expected tfidf alone.")
        counts, num_documents = BoundedCounts(), 0
        for documents in training_documents(request, COUNTING):
            unique, of_pair, _, _ = _counted(DocumentWords.of(documents))
            counts.add(unique[of_pair])
            num_documents += len(documents)
        if num_documents < 2:
            raise UserError(
                f"too few documents: the training split of {request.corpus.root} has "
                f"{num_documents}. Expected 2 or more, as words are weighted by how few have them."
            )
        table = counts.table()
        if table.error:
            request.on_note(
                f"More than {CAPACITY:,} different words: the number of documents that have a word "
                f"may be too small by up to {table.error:,}."
            )
        return cls(num_documents, table)

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The weight of each token: that of its word."""
        words = DocumentWords.of(documents)
        unique, of_pair, pair, counts = _counted(words)
        frequencies = self.frequencies.of(unique)
        inverse = np.log((1 + self.num_documents) / (1 + frequencies))
        weights = (1 + np.log(counts)) * inverse[of_pair]
        return words.of_tokens(weights[pair])


def _counted(
    words: DocumentWords,
) -> tuple[NDArray[np.uint64], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The words of documents, counted in each.

    Returns:
        The different words' keys; for each pair of a document and a word that it has, the index of
        the word among them; for each word of the documents, the index of its pair; how often each
        pair is there.
    """
    unique, word = np.unique(words.keys, return_inverse=True)
    codes, pair, counts = np.unique(
        words.document * len(unique) + word, return_inverse=True, return_counts=True
    )
    return unique, codes % max(len(unique), 1), pair, counts

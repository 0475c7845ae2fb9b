"""Collocated n-grams of words as a source of groups, computed from the corpus itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.bounded_counts import CAPACITY, CountTable, places_of
from tidemask.annotation.collocations import chosen_collocations, scores
from tidemask.annotation.document_words import WordKeys, training_documents
from tidemask.annotation.ngrams import Ngrams, entries_with_letters, frequent_ngrams
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.errors import UserError
from tidemask.settings import shown
from tidemask.token_classes import NO_GROUP, ColumnKind

MIN_OCCURRENCES = 11
"""Occurrences of an n-gram that may be listed; Levine et al. take those of over ten."""

LENGTHS = range(2, 6)
"""Words that the longest n-grams may have."""


@dataclass(frozen=True)
class Collocations:
    """The collocated n-grams of a corpus.

    In a document the longest are found first, and of two as long that overlap the first. They reach
    over no word without a letter or digit.

    Attributes:
        keys: of the n-grams, in ascending order, for each number of words from 2.
        lettered: whether each entry of the vocabulary has a letter or digit, [V].
        fingerprint: of the method; the corpus does the rest.
    """

    keys: tuple[WordKeys, ...]
    lettered: NDArray[np.bool_]
    fingerprint: str
    kind: ColumnKind = "group"
    class_names: tuple[str, ...] = ()
    reads_texts: bool = False
    max_workers: int | None = None

    @classmethod
    def of(cls, request: SourceRequest) -> Collocations:
        """Read the training split once for each number of words, and once more.

        Raises:
            UserError: the argument is not such a number, another kind is asked for, or no n-gram is
                frequent enough.
        """
        request.kind_among("group")
        longest = _checked_length(request)
        lettered = entries_with_letters(
            load_tokenizer(request.corpus.tokenizer_directory).encoder()
        )

        def passed(stage: str, length: int) -> Iterator[Ngrams]:
            for documents in training_documents(request, stage):
                yield Ngrams.of(documents, lettered, length)

        tables = frequent_ngrams(
            lambda length: passed(f"counting {length}-grams", length), longest, MIN_OCCURRENCES
        )
        _note_error(request, tables)
        found = scores(passed("scoring n-grams", longest), tables)
        keys = tuple(chosen_collocations(tables, found))
        if not any(map(len, keys)):
            raise UserError(
                f"no collocations: no words of {request.corpus.root} occur {MIN_OCCURRENCES} times "
                "together and more often than by chance. Expected a larger corpus."
            )
        numbers = [f"{len(of_length):,}" for of_length in keys]
        lengths = ", ".join(str(length) for length in range(2, longest + 1))
        request.on_note(f"Collocations of {lengths} words: {', '.join(numbers)}.")
        return cls(keys, lettered, f"pmi 1, {longest}, {MIN_OCCURRENCES}, {CAPACITY}")

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The number of the n-gram of each token, `NO_GROUP` where there is none."""
        longest = len(self.keys) + 1
        ngrams = Ngrams.of(documents, self.lettered, longest)
        groups = np.full(len(ngrams.words.keys), NO_GROUP, np.int64)
        number = 0
        for length in range(longest, 1, -1):
            for begin in self._places(ngrams, length):
                if (groups[begin : begin + length] == NO_GROUP).all():
                    groups[begin : begin + length] = number
                    number += 1
        return ngrams.words.of_tokens(groups)

    def _places(self, ngrams: Ngrams, length: int) -> list[int]:
        """The words with which listed n-grams of a length begin."""
        listed = self.keys[length - 2]
        there = np.flatnonzero(ngrams.there[length - 1])
        if not len(listed):
            return []
        _, is_there = places_of(ngrams.keys[length - 1][there], listed)
        places: list[int] = there[is_there].tolist()
        return places


def _checked_length(request: SourceRequest) -> int:
    if request.argument not in {str(length) for length in LENGTHS}:
        raise UserError(
            f"unusable source: {shown(request.name)}. Expected pmi:N with N from {LENGTHS[0]} to "
            f"{LENGTHS[-1]}, the words of the longest n-grams."
        )
    return int(request.argument)


def _note_error(request: SourceRequest, tables: Sequence[CountTable]) -> None:
    error = max(table.error for table in tables)
    if error:
        request.on_note(
            f"More than {CAPACITY:,} different n-grams of one length: their counts may be too "
            f"low by up to {error:,}."
        )

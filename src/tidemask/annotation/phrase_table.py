"""Listed phrases as the numbers of their words, and where they are in a stream of words.

Most words begin no phrase, and most of those that do are no phrase's first with the word after
them: arrays say so for all words at once, and only what is left is looked up one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.bounded_counts import places_of
from tidemask.annotation.document_words import WordKeys

OTHER_WORD, NO_WORD = -1, -2
"""Numbers of a word that no phrase has, and of white space."""

Phrases = Mapping[tuple[int, ...], float]
"""Values of phrases by the numbers of their words."""


class FoundPhrases(NamedTuple):
    """Phrases in a stream of words, in order; none overlap."""

    begin: NDArray[np.int64]
    """The first word of each, [F]."""
    last: NDArray[np.int64]
    """Its last word, [F]."""
    value: NDArray[np.float64]
    """[F]"""


@dataclass(frozen=True)
class PhraseTable:
    """Phrases as the numbers of their words.

    Attributes:
        words: number of each word that a phrase has.
        written: value of each phrase that is looked for as it is written.
        folded: value of each phrase that is looked for in any letters.
    """

    words: Mapping[str, int]
    written: Phrases
    folded: Phrases

    def numbers_of(self, word: str) -> tuple[int, int]:
        """The numbers of a word: as it is written, and in small letters."""
        if not word:
            return NO_WORD, NO_WORD
        return (
            self.words.get(word, OTHER_WORD),
            self.words.get(word.casefold(), OTHER_WORD),
        )

    def found(
        self,
        written: NDArray[np.int64],
        folded: NDArray[np.int64],
        document_of: NDArray[np.int64],
    ) -> FoundPhrases:
        """The phrases in a stream of words, given by their numbers and documents [W].

        Of two that overlap the one that begins first is found, and of two that begin together the
        longer one; of two of the same words the one that is looked for as it is written. None
        reaches into the next document.
        """
        long = self._long_phrases(written, folded, document_of)
        alone = np.where(
            np.isnan(self._alone[0][written]), self._alone[1][folded], self._alone[0][written]
        )
        edges = np.zeros(len(written) + 1, np.int64)
        edges[long.begin] += 1
        edges[long.last + 1] -= 1
        single = np.flatnonzero(~np.isnan(alone) & (np.cumsum(edges[:-1]) == 0))
        begin = np.concatenate([long.begin, single])
        order = np.argsort(begin)
        last = np.concatenate([long.last, single])
        value = np.concatenate([long.value, alone[single]])
        return FoundPhrases(begin[order], last[order], value[order])

    def _long_phrases(
        self,
        written: NDArray[np.int64],
        folded: NDArray[np.int64],
        document_of: NDArray[np.int64],
    ) -> FoundPhrases:
        """Those of two words or more; a phrase of one word overlaps none that begins after it."""
        longest = np.maximum(self._longest[0][written], self._longest[1][folded])
        goes_on = self._is_second[0][written] | self._is_second[1][folded]
        places = np.flatnonzero((longest[:-1] > 1) & goes_on[1:])
        room = np.searchsorted(document_of, document_of[places], side="right") - places
        lengths = np.minimum(longest[places], room).tolist()
        begins, lasts, values, free = [], [], [], 0
        for begin, most in zip(places.tolist(), lengths, strict=True):
            if begin < free:
                continue
            as_written = tuple(written[begin : begin + most].tolist())
            in_any_letters = tuple(folded[begin : begin + most].tolist())
            for size in range(most, 1, -1):
                value = self.written.get(as_written[:size])
                if value is None:
                    value = self.folded.get(in_any_letters[:size])
                if value is not None:
                    free = begin + size
                    begins.append(begin)
                    lasts.append(free - 1)
                    values.append(value)
                    break
        return FoundPhrases(
            np.array(begins, np.int64), np.array(lasts, np.int64), np.array(values, np.float64)
        )

    @cached_property
    def _alone(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The value of each word as a phrase by itself, NaN if it is none, by both tables.

        The last entry stands for `OTHER_WORD`.
        """
        written, folded = (
            self._by_word(np.nan, ((key[0], v) for key, v in of.items() if len(key) == 1))
            for of in (self.written, self.folded)
        )
        return written, folded

    @cached_property
    def _longest(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The most words of a phrase that begins with each word, by both tables."""
        written, folded = (
            self._by_word(0, sorted((key[0], len(key)) for key in of)).astype(np.int64)
            for of in (self.written, self.folded)
        )
        return written, folded

    @cached_property
    def _is_second(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each word is the second of a phrase, by both tables."""
        written, folded = (
            self._by_word(0, ((key[1], 1) for key in of if len(key) > 1)) > 0
            for of in (self.written, self.folded)
        )
        return written, folded

    def _by_word(self, none: float, values: Iterable[tuple[int, float]]) -> NDArray[np.float64]:
        """A value for each word; of several the last."""
        by_word = np.full(len(self.words) + 1, none, np.float64)
        for word, value in values:
            by_word[word] = value
        return by_word


@dataclass
class SpeltWords:
    """Words of a corpus whose two numbers are known, by their keys.

    Attributes:
        keys: in ascending order [K].
        numbers: of each [K, 2].
    """

    keys: WordKeys = field(default_factory=lambda: np.empty(0, np.uint64))
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))

    def missing(self, keys: WordKeys) -> NDArray[np.bool_]:
        """Which of some keys are not there."""
        if not len(self.keys):
            return np.ones(len(keys), np.bool_)
        return ~places_of(keys, self.keys)[1]

    def add(self, keys: WordKeys, numbers: list[tuple[int, int]]) -> None:
        """Put in keys that are not there."""
        added = np.concatenate([self.keys, keys])
        order = np.argsort(added, kind="stable")
        of_added = np.array(numbers, np.int64).reshape(-1, 2)
        self.keys = added[order]
        self.numbers = np.concatenate([self.numbers, of_added])[order]

    def of(self, keys: WordKeys) -> NDArray[np.int64]:
        """The numbers of keys that are there, [..., 2]."""
        return self.numbers[np.searchsorted(self.keys, keys)]

"""Texts that are the same but for white space, by a hash of 128 bits.

16 bytes a text are remembered while the texts are read once, in arrays; which are copies is found
at the end, by sorting.
"""

from __future__ import annotations

import hashlib
from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.splitting.hashing import places_with_equals


class TextHashes:
    """Hashes of texts in the order in which they are added; runs of white space are one space."""

    def __init__(self) -> None:
        """No texts yet."""
        self._halves = array("Q")

    def add(self, text: str) -> None:
        """Remember one more text."""
        content = " ".join(text.split()).encode()
        self._halves.frombytes(hashlib.blake2b(content, digest_size=16).digest())

    def places(self) -> NDArray[np.uint64]:
        """A number for each text, the same for the same text everywhere, shape [n].

        They are spread evenly, so that the texts with the lowest are a sample of all.
        """
        return self._pairs()[:, 0]

    def first_copies(self, precedence: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """For each text the one of which it is a copy, -1 where it is the first of its kind.

        Args:
            precedence: lower numbers are first; of equal ones the text that was added first.
        """
        first, second = self._pairs().T
        found = np.full(len(first), -1, np.int64)
        members = places_with_equals(first)
        if not len(members):
            return found
        order = np.lexsort((members, precedence[members], second[members], first[members]))
        members = members[order]
        begins = np.ones(len(members), np.bool_)
        for half in (first, second):
            changes = half[members][1:] != half[members][:-1]
            begins[1:] = changes if half is first else begins[1:] | changes
        begin_of = np.maximum.accumulate(np.where(begins, np.arange(len(members)), 0))
        found[members[~begins]] = members[begin_of[~begins]]
        return found

    def _pairs(self) -> NDArray[np.uint64]:
        return np.frombuffer(self._halves, np.uint64).reshape(-1, 2)

"""Near-duplicate texts, found in one pass by the word shingles that they share.

A shingle is a run of `SHINGLE_WORDS` words, in lower case and without punctuation, as a 64-bit
hash. A text whose shingles occur for more than `max_shared_share` in the texts kept before it is a
near-duplicate. Long texts are judged by a sample of their shingles, chosen by the hash itself, so
that the same shingle is in every sample or in none; short texts by all of theirs and, where it is
large enough, also by their part of the sample, since of a long text kept before only the sample is
known. So a copy of less than about 130 words out of a long text is not noticed.

Only texts that are kept are remembered: which copy survives is a matter of order, and the order
of the calls alone decides. Hashes are the same in every process and on every machine.

References:
    Andrei Broder, "On the resemblance and containment of documents" (1997): shingles, containment,
    and the sample of hashes that are 0 modulo m.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.splitting.hashing import MULTIPLIER, mixed, word_hash

_CACHED_WORDS = 500_000
"""Distinct words whose hashes are remembered; about 90 MB when full."""

SHINGLE_WORDS = 8
"""Words per shingle. A text with fewer words is one shingle."""

SAMPLED_ONE_IN = 16
"""One shingle in this many is in the sample."""

SHORT_TEXT_SHINGLES = 512
"""Maximum distinct shingles of a text that is remembered by all of them."""

MIN_SAMPLED_SHINGLES = 8
"""Minimum shingles in the sample for a short text to be judged by them."""


class NearDuplicateFilter:
    """Remembers the texts that it took for new, and recognises their near-duplicates.

    Of each of them it remembers at most `SHORT_TEXT_SHINGLES` hashes or one in `SAMPLED_ONE_IN` of
    its words, some 80 bytes each: about 250 MB for 50 million words in documents of 2,000.

    Args:
        max_shared_share: share of a text's distinct shingles that may occur in texts kept before,
            in [0, 1).

    Example:
        >>> fresh = NearDuplicateFilter()
        >>> fable = "A fox saw a bunch of grapes that hung high up from a vine in the sun."
        >>> [fresh.is_new(fable), fresh.is_new(fable.upper()), fresh.is_new("A dog sat down.")]
        [True, False, True]
    """

    def __init__(self, *, max_shared_share: float = 0.5) -> None:
        self._max_shared_share = max_shared_share
        powers = [pow(MULTIPLIER, power, 1 << 64) for power in range(SHINGLE_WORDS)]
        self._powers = np.array(powers, dtype=np.uint64)
        self._seen: set[int] = set()
        self._word_hash = lru_cache(_CACHED_WORDS)(word_hash)

    def is_new(self, text: str) -> bool:
        """Whether `text` is not a near-duplicate; if so, it is remembered.

        A text without words is always new: it shares nothing.
        """
        shingles, sample = self._sketch(text)
        is_short = self._is_short(shingles)
        # Of a long text kept before only the sample is known, so any text is compared by its sample
        # if that is not too small. Of short ones every shingle is known, and short texts are
        # compared by all of theirs too.
        is_enough = not is_short or len(sample) >= MIN_SAMPLED_SHINGLES
        if (is_enough and self._is_known(sample)) or (is_short and self._is_known(shingles)):
            return False
        self._remember(shingles, sample)
        return True

    def remember(self, text: str) -> None:
        """Count `text` among those kept, whatever it shares with them."""
        self._remember(*self._sketch(text))

    def _sketch(self, text: str) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """All shingles, and those in the sample: the hash itself decides, for every text alike."""
        shingles = self._shingles(text)
        return shingles, shingles[shingles % np.uint64(SAMPLED_ONE_IN) == 0]

    def _is_short(self, shingles: NDArray[np.uint64]) -> bool:
        return len(shingles) <= SHORT_TEXT_SHINGLES

    def _remember(self, shingles: NDArray[np.uint64], sample: NDArray[np.uint64]) -> None:
        self._seen.update((shingles if self._is_short(shingles) else sample).tolist())

    def _is_known(self, shingles: NDArray[np.uint64]) -> bool:
        shared = sum(shingle in self._seen for shingle in shingles.tolist())
        return shared > self._max_shared_share * len(shingles)

    def _shingles(self, text: str) -> NDArray[np.uint64]:
        """Distinct hashes of the text's runs of words, ascending."""
        words = re.findall(r"\w+", text.lower())
        hashes = np.fromiter(map(self._word_hash, words), np.uint64, len(words))
        length = min(SHINGLE_WORDS, len(words))
        if length == 0:
            return hashes
        # The hash of a run is a polynomial in an odd constant, its coefficients the hashes of the
        # words; products and sums are modulo 2 ** 64.
        return np.unique(mixed(np.convolve(hashes, self._powers[:length], mode="valid")))

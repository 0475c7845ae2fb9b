"""Hashes of words and of their shingles, the same in every process and on every machine."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

MULTIPLIER = 0x9E3779B97F4A7C15
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Odd constants of the splitmix64 generator (Steele, Lea and Flood, 2014)."""

_LOOKED_UP_AT_ONCE = 1 << 18


def word_hash(word: str) -> int:
    """64 bits of a word."""
    encoded = word.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")


def mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection of 64-bit numbers after which every bit depends on every bit."""
    found = hashes ^ (hashes >> np.uint64(30))
    found = found * _MIX[0]
    found ^= found >> np.uint64(27)
    found = found * _MIX[1]
    found ^= found >> np.uint64(31)
    return found


def places_with_equals(numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The places of numbers that are there more than once, ascending.

    Example:
        >>> import numpy as np
        >>> places_with_equals(np.array([7, 3, 7, 5, 3], np.uint64)).tolist()
        [0, 1, 2, 4]
    """
    ordered = np.sort(numbers)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered  # eight bytes a number
    if not len(repeated):
        return np.empty(0, np.int64)
    is_repeated = np.empty(len(numbers), np.bool_)
    for start in range(0, len(numbers), _LOOKED_UP_AT_ONCE):
        part = numbers[start : start + _LOOKED_UP_AT_ONCE]
        places = np.minimum(np.searchsorted(repeated, part), len(repeated) - 1)
        is_repeated[start : start + len(part)] = repeated[places] == part
    return np.flatnonzero(is_repeated)

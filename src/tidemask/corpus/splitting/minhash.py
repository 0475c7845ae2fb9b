"""MinHash sketches of texts, kept on disk, and the pairs of texts that are alike by them.

The sketch of a text is the least of its shingles under each of `NUM_HASHES` hash functions; two
texts agree in a share of these that estimates the Jaccard index of their shingles, with a standard
error of at most 0.045. Texts are candidates where they agree in all hashes of one band: of pairs
with an index of 0.7 and more over 98 % are, of pairs with 0.3 and less under 6 %.

250 bytes a text lie on the disk. In memory are about 50 bytes a text while candidates are sought,
one band at a time; libraries whose index is a table in memory (datasketch) take 10 kB a text.

References:
    Andrei Broder, "On the resemblance and containment of documents" (1997).
    Jure Leskovec, Anand Rajaraman and Jeffrey Ullman, "Mining of Massive Datasets", chapter 3:
    bands of hashes.
"""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.splitting.hashing import MULTIPLIER, mixed, places_with_equals, word_hash

SHINGLE_UNITS = 5
"""Words, or characters, of a shingle; a shorter text is one shingle."""

NUM_BANDS, BAND_HASHES = 25, 5
NUM_HASHES = NUM_BANDS * BAND_HASHES

_BUFFERED_UNITS = 1 << 16
"""Words or characters whose shingles are hashed together."""

_COMPARED_BEFORE = 8
"""Texts before each in its group that it is compared with, besides the group's first."""

_PAIRS_AT_ONCE = _KEYS_AT_ONCE = 1 << 18
_CACHED_UNITS = 500_000

_Positions = NDArray[np.int64]


class MinHashSketches:
    """Sketches of texts in the order in which they are added; their files end with this object."""

    def __init__(self, directory: Path) -> None:
        """Keep the sketches in files without names in `directory`."""
        self._directory = directory
        self._files: list[IO[bytes]] = []
        self._unit_hash = lru_cache(_CACHED_UNITS)(word_hash)
        self._hashes, self._lengths = array("Q"), array("Q")
        self._num_sketches = 0

    def __len__(self) -> int:
        return self._num_sketches + len(self._lengths)

    def add(self, units: Sequence[str]) -> None:
        """Sketch one more text by its words or characters, one at least."""
        self._hashes.extend(map(self._unit_hash, units))
        missing = max(0, SHINGLE_UNITS - len(units))
        self._hashes.extend([0] * missing)
        self._lengths.append(len(units) + missing)
        if len(self._hashes) >= _BUFFERED_UNITS:
            self._write()

    def agreement(self, these: _Positions, those: _Positions) -> NDArray[np.float32]:
        """The share of hashes in which the sketches of each pair agree, shape of both [n]."""
        agreeing = np.zeros(len(these), np.int64)
        for values in self._bands_of_all():
            for start in range(0, len(these), _PAIRS_AT_ONCE):
                part = slice(start, start + _PAIRS_AT_ONCE)
                agreeing[part] += (values[these[part]] == values[those[part]]).sum(axis=1)
        return (agreeing / NUM_HASHES).astype(np.float32)

    def earlier_alike(self, order: _Positions, threshold: float) -> _Positions:
        """For each sketch one before it in `order` that is alike, else -1; shape [number of all].

        Args:
            order: the sketches that are compared, by number, in the order of precedence.
            threshold: agreement from which on two are alike.
        """
        found = np.full(len(self), -1, np.int64)
        for values in self._bands_of_all():
            keys = _keys(values, order)
            members = places_with_equals(keys)
            for places in _Groups(keys[members]).candidates():
                earlier, later = (members[each] for each in places)
                these, those = order[earlier], order[later]
                open_ = found[those] < 0
                these, those = these[open_], those[open_]
                alike = self.agreement(these, those) >= threshold
                found[those[alike]] = these[alike]
        return found

    def _bands_of_all(self) -> Iterator[NDArray[np.uint16]]:
        """The hashes of each band, of all texts, shape [n, BAND_HASHES]; one at a time."""
        self._write()
        shape = (self._num_sketches, BAND_HASHES)
        for file in self._files:
            yield np.memmap(file, np.uint16, "r", shape=shape)

    def _write(self) -> None:
        if not self._lengths:
            return
        if not self._files:
            for _ in range(NUM_BANDS):
                file: IO[bytes] = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115
                weakref.finalize(self, file.close)
                self._files.append(file)
        lengths = np.array(self._lengths, np.int64)
        sketches = _sketches(np.array(self._hashes, np.uint64), lengths)
        for band, of_band in enumerate(self._files):
            part = sketches[:, band * BAND_HASHES : (band + 1) * BAND_HASHES]
            of_band.write(np.ascontiguousarray(part).tobytes())
            of_band.flush()
        self._num_sketches += len(lengths)
        self._hashes, self._lengths = array("Q"), array("Q")


class _Groups:
    """Positions that have one key, beside each other and in their order within a group."""

    def __init__(self, keys: NDArray[np.uint64]) -> None:
        self._sorted = np.argsort(keys, kind="stable")
        ordered = keys[self._sorted]
        begins = np.ones(len(keys), np.bool_)
        begins[1:] = ordered[1:] != ordered[:-1]
        self._begin_of = np.maximum.accumulate(np.where(begins, np.arange(len(keys)), 0))

    def candidates(self) -> list[tuple[_Positions, _Positions]]:
        """Pairs of an earlier and a later position: first those with their group's first."""
        inside = np.flatnonzero(self._begin_of < np.arange(len(self._begin_of)))
        found = [(self._sorted[self._begin_of[inside]], self._sorted[inside])]
        for distance in range(1, _COMPARED_BEFORE + 1):
            inside = inside[inside - distance > self._begin_of[inside]]
            if not len(inside):
                break
            found.append((self._sorted[inside - distance], self._sorted[inside]))
        return found


def _keys(values: NDArray[np.uint16], order: _Positions) -> NDArray[np.uint64]:
    """One number for the hashes of a band of each text, in an order."""
    keys = np.zeros(len(order), np.uint64)
    for start in range(0, len(order), _KEYS_AT_ONCE):
        part = slice(start, start + _KEYS_AT_ONCE)
        for column in values[order[part]].T:
            keys[part] = mixed(keys[part] ^ column.astype(np.uint64))
    return keys


def _sketches(hashes: NDArray[np.uint64], lengths: _Positions) -> NDArray[np.uint16]:
    """The sketches of texts whose words follow one another, shape [n, NUM_HASHES]."""
    # The hash of a shingle is a polynomial in an odd constant, its coefficients the hashes of the
    # words; products and sums are modulo 2 ** 64. Shingles across the end of a text are left out.
    num_shingles = len(hashes) - SHINGLE_UNITS + 1
    shingles = np.zeros(num_shingles, np.uint64)
    for place in range(SHINGLE_UNITS):
        power = np.uint64(pow(MULTIPLIER, place, 1 << 64))
        shingles += hashes[place : place + num_shingles] * power
    ends = np.cumsum(lengths)
    to_end = np.repeat(ends, lengths)[:num_shingles] - np.arange(num_shingles)
    shingles = mixed(shingles[to_end >= SHINGLE_UNITS])
    counts = lengths - SHINGLE_UNITS + 1
    begins = np.cumsum(counts) - counts
    found = np.empty((len(lengths), NUM_HASHES), np.uint16)
    for number, (mask, factor) in enumerate(_hash_functions()):
        values = ((shingles ^ mask) * factor) >> np.uint64(32)
        found[:, number] = np.minimum.reduceat(values, begins) & np.uint64(0xFFFF)
    return found


@lru_cache(maxsize=1)
def _hash_functions() -> tuple[tuple[np.uint64, np.uint64], ...]:
    """A mask and an odd factor for each hash of a sketch."""
    numbers = mixed(np.arange(1, 2 * NUM_HASHES + 1, dtype=np.uint64) * np.uint64(MULTIPLIER))
    return tuple(
        (mask, factor | np.uint64(1))
        for mask, factor in zip(numbers[::2], numbers[1::2], strict=True)
    )

"""Counts of many different keys in memory that has a bound, with a bound on their error.

The counters of Misra and Gries ("Finding repeated elements", 1982), merged as by Agarwal, Cormode,
Huang, Phillips, Wei and Yi ("Mergeable summaries", PODS 2012): where there are more than `capacity`
of them, the largest count that has to go is taken off all, and those that are left with nothing are
forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAPACITY = 1 << 22
"""Keys of one table at most: 64 MiB as a table, and about three times as much while it is made."""


@dataclass(frozen=True)
class CountTable:
    """Counts by key.

    Attributes:
        keys: in ascending order, uint64 [K].
        counts: of the keys, int64 [K]: at most the true count, and less by `error` at most. A key
            that is not there has a true count of `error` at most.
        total: of all counts that were added.
        error: 0 where there were never more keys than the capacity, and never more than
            `total / (capacity + 1)`.
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    total: int
    error: int

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The counts of some keys, 0 for those that are not there; shape as `keys`."""
        if not len(self.keys):
            return np.zeros(keys.shape, np.int64)
        at, there = places_of(keys, self.keys)
        return np.where(there, self.counts[at], 0)

    def of_at_least(self, count: int) -> CountTable:
        """The keys that have so high a count."""
        kept = self.counts >= count
        return CountTable(self.keys[kept], self.counts[kept], self.total, self.error)


def places_of(
    keys: NDArray[np.uint64], ascending: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where keys stand in a table that is not empty, and which of them do; others have any place.

    Example:
        >>> import numpy as np
        >>> places_of(np.array([7, 4], np.uint64), np.array([2, 4], np.uint64))
        (array([1, 1]), array([False,  True]))
    """
    at = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return at, ascending[at] == keys


class BoundedCounts:
    """Adds up counts by key.

    Example:
        >>> import numpy as np
        >>> counts = BoundedCounts(capacity=2)
        >>> counts.add(np.array([5, 9, 5, 5, 7], np.uint64))
        >>> table = counts.table()
        >>> table.keys.tolist(), table.counts.tolist(), table.total, table.error
        ([5], [2], 5, 1)
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Keep so many keys at most."""
        self._capacity = capacity
        self._keys = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.int64)
        self._new: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
        self._num_new = 0
        self._total, self._error = 0, 0

    def add(self, keys: NDArray[np.uint64]) -> None:
        """Count each of the keys once; a key may be there several times."""
        unique, counts = np.unique(keys, return_counts=True)
        self._new.append((unique, counts))
        self._num_new += len(unique)
        self._total += len(keys)
        if self._num_new > max(len(self._keys), self._capacity // 4):
            self._merge()

    def table(self) -> CountTable:
        """All counts so far."""
        self._merge()
        return CountTable(self._keys, self._counts, self._total, self._error)

    def _merge(self) -> None:
        """Add what is new to the table, and take off what is too much."""
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._new)])
        counts = np.concatenate([self._counts, *(counts for _, counts in self._new)])
        self._new, self._num_new = [], 0
        self._keys, self._counts = _added_up(keys, counts)
        if len(self._keys) <= self._capacity:
            return
        # The counts at this place and above it are capacity + 1, and each loses as much.
        place = len(self._counts) - self._capacity - 1
        excess = int(np.partition(self._counts, place)[place])
        kept = self._counts > excess
        self._keys, self._counts = self._keys[kept], self._counts[kept] - excess
        self._error += excess


def _added_up(
    keys: NDArray[np.uint64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[Any]]:
    """Each key once, in ascending order, with the sum of its counts."""
    if not len(keys):
        return keys, counts
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[firsts], np.add.reduceat(counts, firsts)

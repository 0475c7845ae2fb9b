"""Counts in bounded memory, against the counts themselves."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidemask.annotation.bounded_counts import BoundedCounts, CountTable


def counted(parts: list[list[int]], capacity: int) -> CountTable:
    counts = BoundedCounts(capacity)
    for part in parts:
        counts.add(np.array(part, np.uint64))
    return counts.table()


PARTS = st.lists(st.lists(st.integers(0, 12), max_size=20), max_size=12)


@given(parts=PARTS, capacity=st.integers(1, 14))
def test_counts_keep_to_their_bounds(parts: list[list[int]], capacity: int) -> None:
    true = Counter(key for part in parts for key in part)
    table = counted(parts, capacity)
    assert len(table) <= capacity
    assert table.total == sum(true.values())
    assert table.error <= table.total / (capacity + 1)
    every = np.arange(14, dtype=np.uint64)
    for key, count in zip(every.tolist(), table.of(every).tolist(), strict=True):
        assert true[key] - table.error <= count <= true[key]


@given(parts=PARTS)
def test_counts_within_the_capacity_are_exact(parts: list[list[int]]) -> None:
    true = Counter(key for part in parts for key in part)
    table = counted(parts, 13)
    assert dict(zip(table.keys.tolist(), table.counts.tolist(), strict=True)) == true
    assert table.error == 0
    frequent = table.of_at_least(3)
    assert set(frequent.keys.tolist()) == {key for key, count in true.items() if count >= 3}


def test_counts_of_a_heavy_key_among_many_rare_ones_survive() -> None:
    rare = np.arange(1, 100_001, dtype=np.uint64)
    counts = BoundedCounts(capacity=1000)
    for part in np.split(rare, 100):
        counts.add(np.concatenate([part, np.zeros(300, np.uint64)]))
    table = counts.table()
    assert 0 < table.error <= 130_000 / 1001
    assert 30_000 - table.error <= table.of(np.zeros(1, np.uint64))[0] <= 30_000

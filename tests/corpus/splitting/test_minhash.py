"""Sketches of texts, against the Jaccard index of their shingles counted one by one."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import numpy as np

from tidemask.corpus.splitting import minhash
from tidemask.corpus.splitting.minhash import NUM_HASHES, SHINGLE_UNITS, MinHashSketches


def _shingles(units: list[str]) -> set[tuple[str, ...]]:
    last = max(1, len(units) - SHINGLE_UNITS + 1)
    return {tuple(units[start : start + SHINGLE_UNITS]) for start in range(last)}


def _jaccard(one: list[str], other: list[str]) -> float:
    these, those = _shingles(one), _shingles(other)
    return len(these & those) / len(these | those)


def _words(rng: random.Random, number: int) -> list[str]:
    return [f"w{rng.randrange(3000)}" for _ in range(number)]


def _changed(rng: random.Random, units: list[str], share: float) -> list[str]:
    return [f"new{rng.random()}" if rng.random() < share else unit for unit in units]


def _sketches(directory: Path, texts: list[list[str]]) -> MinHashSketches:
    sketches = MinHashSketches(directory)
    for units in texts:
        sketches.add(units)
    return sketches


def test_minhash_estimates_the_jaccard_index_without_bias(tmp_path: Path) -> None:
    rng = random.Random(3)
    texts, indices = [], []
    for _ in range(200):
        one = _words(rng, rng.randint(1, 300))
        other = _changed(rng, one, rng.choice([0.0, 0.02, 0.05, 0.1, 0.3]))
        texts += [one, other]
        indices.append(_jaccard(one, other))
    found = _sketches(tmp_path, texts).agreement(np.arange(0, 400, 2), np.arange(1, 400, 2))
    index = np.array(indices)
    assert (found[index == 1] == 1).all()
    error = np.sqrt(np.maximum(index * (1 - index), 1e-3) / NUM_HASHES)
    deviations = (found - index) / error
    assert abs(deviations.mean()) < 4 / np.sqrt(len(index))
    assert 0.8 < deviations.std() < 1.25
    assert np.abs(deviations).max() < 5


def test_minhash_does_not_depend_on_what_is_hashed_together(tmp_path: Path) -> None:
    rng = random.Random(5)
    texts = [_words(rng, rng.randint(1, 40)) for _ in range(60)]
    pairs = np.array(list(combinations(range(60), 2))).T
    together = _sketches(tmp_path, texts).agreement(*pairs)
    buffered, minhash._BUFFERED_UNITS = minhash._BUFFERED_UNITS, 1
    try:
        alone = _sketches(tmp_path, texts).agreement(*pairs)
    finally:
        minhash._BUFFERED_UNITS = buffered
    assert np.array_equal(together, alone)
    assert list(tmp_path.iterdir()) == []


def test_minhash_finds_the_earlier_of_two_alike_in_the_order_that_is_given(tmp_path: Path) -> None:
    rng = random.Random(7)
    families = [_words(rng, 120) for _ in range(30)]
    texts = [_changed(rng, family, 0.003) for _ in range(4) for family in families]
    sketches = _sketches(tmp_path, texts)
    for order in (np.arange(120), np.arange(120)[::-1].copy(), np.arange(30, 90)):
        rank = {int(number): place for place, number in enumerate(order)}
        found = sketches.earlier_alike(order, 0.5)
        assert (np.delete(found, order) == -1).all()
        for number in order.tolist():
            earlier = int(found[number])
            first = next(n for n in order.tolist() if n % 30 == number % 30)
            assert (earlier == -1) == (number == first)
            if earlier >= 0:
                assert rank[earlier] < rank[number]
                assert earlier % 30 == number % 30


def test_minhash_without_texts_finds_none(tmp_path: Path) -> None:
    sketches = MinHashSketches(tmp_path)
    assert len(sketches) == 0
    assert len(sketches.earlier_alike(np.empty(0, np.int64), 0.7)) == 0

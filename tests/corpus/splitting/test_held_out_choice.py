"""The held-out share: balanced, stable, and a matter of the texts alone."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tidemask.corpus.splitting.held_out_choice import chosen_for_held_out

SHARES = st.sampled_from([0.001, 0.01, 0.05, 0.2, 0.5, 0.9, 0.999])
WORDS = st.lists(st.integers(1, 5000), min_size=2, max_size=60)


def _chosen(words: list[int], share: float, seed: int = 0) -> tuple[NDArray[np.bool_], float]:
    """What is held out, and its share of the words."""
    places = np.random.default_rng(seed).integers(0, 2**64, len(words), np.uint64)
    chosen = chosen_for_held_out(places, np.array(words), share)
    return chosen, float(np.array(words)[chosen].sum() / sum(words))


@given(WORDS, SHARES, st.integers(0, 100))
def test_held_out_has_some_and_not_all(words: list[int], share: float, seed: int) -> None:
    chosen, _ = _chosen(words, share, seed)
    assert 0 < chosen.sum() < len(words)


@given(st.lists(st.integers(1, 99), min_size=2, max_size=9), SHARES, st.integers(0, 100))
def test_held_out_is_within_a_tenth_where_any_choice_is(
    words: list[int], share: float, seed: int
) -> None:
    sums = {sum(some) for n in range(1, len(words)) for some in combinations(words, n)}
    target = share * sum(words)
    nearest = min(abs(one - target) for one in sums)
    _, found = _chosen(words, share, seed)
    assert abs(found * sum(words) - target) <= max(0.1 * target, nearest * 1.000001)


@given(st.integers(0, 50), st.sampled_from([0.01, 0.05, 0.2]))
def test_held_out_of_many_is_near_the_share_whatever_their_lengths(seed: int, share: float) -> None:
    rng = random.Random(seed)
    words = [int(rng.lognormvariate(4, 1.5)) + 1 for _ in range(1000)]
    _, found = _chosen(words, share, seed)
    assert abs(found - share) <= 0.1 * share


@given(WORDS, SHARES, st.randoms(use_true_random=False))
def test_held_out_does_not_depend_on_the_order(
    words: list[int], share: float, rng: random.Random
) -> None:
    places = np.arange(len(words), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    order = np.array(rng.sample(range(len(words)), len(words)))
    straight = chosen_for_held_out(places, np.array(words), share)
    assert np.array_equal(
        straight[order], chosen_for_held_out(places[order], np.array(words)[order], share)
    )


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_held_out_moves_few_when_documents_are_added(share: float) -> None:
    rng = np.random.default_rng(1)
    places = rng.integers(0, 2**64, 4400, np.uint64)
    words = rng.lognormal(5, 1, 4400).astype(np.int64) + 1
    before = chosen_for_held_out(places[:4000], words[:4000], share)
    after = chosen_for_held_out(places, words, share)[:4000]
    # A tenth more documents moves the border by the noise of their own share.
    assert (before != after).sum() <= 0.15 * before.sum() + 3


def test_held_out_keeps_texts_of_one_hash_together() -> None:
    places = np.array([5, 5, 1, 9, 9, 3], np.uint64)
    chosen = chosen_for_held_out(places, np.full(6, 10), 0.5)
    assert chosen[0] == chosen[1]
    assert chosen[3] == chosen[4]
    alike = chosen_for_held_out(places[:2], np.full(2, 10), 0.5)
    assert not alike.any()  # one text alone cannot be in both splits

"""Near-duplicates: against exact sets of shingles for short texts, by their rule for long ones."""

from __future__ import annotations

import subprocess
import sys
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemask.corpus.demo_text import shared_shingles
from tidemask.corpus.demo_text.shared_shingles import NearDuplicateFilter


def words(number: int, seed: int, vocabulary: int = 5_000) -> list[str]:
    draws = np.random.default_rng(seed).integers(0, vocabulary, number)
    return [f"word{draw}" for draw in draws]


def with_changes(text: list[str], number: int, seed: int) -> list[str]:
    changed = list(text)
    for place in np.random.default_rng(seed).choice(len(text), number, replace=False):
        changed[place] = f"changed{place}"
    return changed


def exact_shingles(text: list[str], length: int) -> set[tuple[str, ...]]:
    if not text:
        return set()
    length = min(length, len(text))
    return {tuple(text[start : start + length]) for start in range(len(text) - length + 1)}


@given(
    texts=st.lists(st.lists(st.sampled_from("abcde"), max_size=14), max_size=12),
    length=st.integers(1, 4),
    share=st.sampled_from([0.0, 0.25, 0.5, 0.9]),
)
def test_short_texts_are_judged_as_exact_sets_of_shingles_judge_them(
    texts: list[list[str]], length: int, share: float
) -> None:
    seen: set[tuple[str, ...]] = set()
    with patch.multiple(shared_shingles, SHINGLE_WORDS=length, MIN_SAMPLED_SHINGLES=1_000):
        fresh = NearDuplicateFilter(max_shared_share=share)
        for text in texts:
            shingles = exact_shingles(text, length)
            expected = len(shingles & seen) <= share * len(shingles)
            assert fresh.is_new(" ".join(text)) == expected
            if expected:
                seen |= shingles


@pytest.mark.parametrize("number", [5, 8, 60, 500, 3_000])
def test_an_exact_copy_is_not_new(number: int) -> None:
    fresh = NearDuplicateFilter()
    text = " ".join(words(number, seed=1))
    assert fresh.is_new(text)
    assert not fresh.is_new(text)


@pytest.mark.parametrize("number", [120, 500, 3_000])
def test_a_copy_with_a_few_words_changed_is_not_new(number: int) -> None:
    text = words(number, seed=2)
    fresh = NearDuplicateFilter()
    assert fresh.is_new(" ".join(text))
    # Three words in a hundred: about 0.97 ** 8 = 78 % of the shingles are left.
    assert not fresh.is_new(" ".join(with_changes(text, 3 * number // 100, seed=3)))


@pytest.mark.parametrize("number", [120, 500, 3_000])
def test_a_copy_with_many_words_changed_is_new(number: int) -> None:
    text = words(number, seed=2)
    fresh = NearDuplicateFilter()
    assert fresh.is_new(" ".join(text))
    # Every sixth word: no run of eight is left.
    changed = [f"changed{place}" if place % 6 == 0 else word for place, word in enumerate(text)]
    assert fresh.is_new(" ".join(changed))


def test_disjoint_texts_are_all_new() -> None:
    fresh = NearDuplicateFilter()
    texts = [" ".join(words(100 + 200 * seed, seed)) for seed in range(20)]
    assert all(fresh.is_new(text) for text in texts)


def test_case_punctuation_and_white_space_do_not_count() -> None:
    fresh = NearDuplicateFilter()
    assert fresh.is_new("The tide comes in, twice a day; and it goes out again.")
    assert not fresh.is_new("the TIDE comes in\n twice a day -- and it goes out, again!")


def test_texts_without_words_are_new_every_time() -> None:
    fresh = NearDuplicateFilter()
    assert [fresh.is_new(text) for text in ("", "", " \n", "...", "...")] == [True] * 5


def test_order_decides_which_copy_is_kept() -> None:
    long_text, short_text = words(100, seed=4), words(100, seed=4)[:60]
    forward, backward = NearDuplicateFilter(), NearDuplicateFilter()
    assert [forward.is_new(" ".join(text)) for text in (long_text, short_text)] == [True, False]
    # 53 of the 93 shingles of the long text are known by then: more than half.
    assert [backward.is_new(" ".join(text)) for text in (short_text, long_text)] == [True, False]


def test_a_dropped_text_is_not_remembered() -> None:
    text = words(100, seed=5)
    grown = [*text, *words(60, seed=6)]
    fresh = NearDuplicateFilter()
    assert fresh.is_new(" ".join(text))
    assert not fresh.is_new(" ".join(grown))
    assert fresh.is_new(" ".join(grown[100:]))


def test_a_remembered_text_counts_whatever_it_shares() -> None:
    text = words(100, seed=5)
    grown = [*text, *words(60, seed=6)]
    fresh = NearDuplicateFilter()
    fresh.remember(" ".join(text))
    fresh.remember(" ".join(grown))
    assert not fresh.is_new(" ".join(grown[100:]))


def test_passages_of_a_long_text_are_recognised_and_others_are_not() -> None:
    text = words(4_000, seed=7)
    fresh = NearDuplicateFilter()
    assert fresh.is_new(" ".join(text))
    passages = [text[start : start + 400] for start in range(0, 4_000, 400)]
    assert not any(fresh.is_new(" ".join(passage)) for passage in passages)
    assert all(fresh.is_new(" ".join(words(400, seed))) for seed in range(100, 110))


def test_of_a_long_text_only_a_sample_is_remembered() -> None:
    fresh = NearDuplicateFilter()
    fresh.is_new(" ".join(words(32_000, seed=8, vocabulary=10**9)))
    # Binomial with n = 32 000 and p = 1/16: mean 2 000, deviation 43; seven of them are allowed.
    assert abs(len(fresh._seen) - 2_000) < 300


@pytest.mark.slow
def test_decisions_do_not_depend_on_pythons_hash_seed() -> None:
    program = (
        "from tidemask.corpus.demo_text.shared_shingles import NearDuplicateFilter as F;"
        " fresh = F(); fresh.is_new('a tide ' * 4 + 'of many words that come and go');"
        " print(sorted(fresh._seen))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1

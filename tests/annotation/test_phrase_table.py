"""Phrases in streams of numbers, against a search word by word in plain Python."""

from __future__ import annotations

import numpy as np

from tidemask.annotation.phrase_table import OTHER_WORD, PhraseTable, SpeltWords

Found = list[tuple[int, int, float]]


def searched(
    table: PhraseTable, written: list[int], folded: list[int], document_of: list[int]
) -> Found:
    """The longest phrase at each word that is in none yet, as written before in any letters."""
    found, begin = [], 0
    while begin < len(written):
        end = next(
            (
                end
                for end in range(len(written), begin, -1)
                if document_of[end - 1] == document_of[begin]
                and (
                    tuple(written[begin:end]) in table.written
                    or tuple(folded[begin:end]) in table.folded
                )
            ),
            None,
        )
        if end is None:
            begin += 1
            continue
        value = table.written.get(tuple(written[begin:end]))
        if value is None:
            value = table.folded[tuple(folded[begin:end])]
        found.append((begin, end - 1, value))
        begin = end
    return found


def random_phrases(random: np.random.Generator, num_words: int) -> dict[tuple[int, ...], float]:
    sizes = random.integers(1, 5, size=int(random.integers(0, 9))).tolist()
    keys = [tuple(random.integers(0, num_words, size=size).tolist()) for size in sizes]
    return {key: float(random.integers(0, 4)) for key in keys}


def test_phrase_table_finds_what_a_search_word_by_word_finds() -> None:
    num_long = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        num_words = int(random.integers(2, 6))
        words = {str(number): number for number in range(num_words)}
        tables = (random_phrases(random, num_words) for _ in range(2))
        table = PhraseTable(words, *tables)
        written, folded = random.integers(OTHER_WORD, num_words, size=(2, 60))
        document_of = np.sort(random.integers(0, 6, size=60))
        found = table.found(written, folded, document_of)
        expected = searched(table, written.tolist(), folded.tolist(), document_of.tolist())
        assert list(zip(*(part.tolist() for part in found), strict=True)) == expected, seed
        num_long += sum(last > begin for begin, last, _ in expected)
    assert num_long > 500


def test_phrase_table_finds_nothing_in_no_words() -> None:
    table = PhraseTable({"a": 0}, {(0,): 1.0}, {(0, 0): 2.0})
    empty = np.empty(0, np.int64)
    assert [len(part) for part in table.found(empty, empty, empty)] == [0, 0, 0]


def test_spelt_words_keep_the_numbers_of_keys() -> None:
    spelt, random = SpeltWords(), np.random.default_rng(0)
    numbers: dict[int, tuple[int, int]] = {}
    for _ in range(5):
        keys = np.unique(random.integers(0, 50, size=20).astype(np.uint64))
        assert spelt.missing(keys).tolist() == [key not in numbers for key in keys.tolist()]
        new = keys[spelt.missing(keys)]
        added = [(int(key) * 3, int(key) * 5) for key in new]
        numbers |= dict(zip(new.tolist(), added, strict=True))
        spelt.add(new, added)
        assert spelt.of(keys).tolist() == [list(numbers[key]) for key in keys.tolist()]

"""Collocations, against the measure written as loops over the words of the texts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tidemask
from annotated_corpora import TEXTS, column_values, placed_tokens, prepared
from tidemask import UserError
from tidemask.annotation import collocations, pmi_source
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.token_classes import NO_GROUP

Word = tuple[int, ...]
FEWEST = 2


@pytest.fixture(scope="module", params=["wordpiece", "bpe"])
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collocated")
    return prepared(root, tokenizer_kind=request.param, vocab_size=420)


def words_in_order(corpus: Path) -> list[list[tuple[int, int, Word, bool]]]:
    """Of each text, its words: begin and end, ids, and whether it has a letter or digit."""
    encoder = load_tokenizer(corpus / "tokenizer").encoder()
    of_texts = []
    for text, encoded in zip(TEXTS, encoder.encode(TEXTS), strict=True):
        bounds = [*np.flatnonzero(encoded.word_starts).tolist(), len(encoded.ids)]
        words = []
        for first, after in pairwise(bounds):
            begin, end = int(encoded.starts[first]), int(encoded.ends[after - 1])
            ids = tuple(encoded.ids[first:after].tolist())
            words.append((begin, end, ids, any(c.isalnum() for c in text[begin:end])))
        of_texts.append(words)
    return of_texts


def ngrams_of(words: list[tuple[int, int, Word, bool]], length: int) -> Iterator[tuple[int, Any]]:
    for first in range(len(words) - length + 1):
        part = words[first : first + length]
        if all(lettered for *_, lettered in part):
            yield first, tuple(ids for _, _, ids, _ in part)


def measure(ngram: tuple[Word, ...], counts: Counter[Any], total: int) -> float:
    """The least `ln(p(ngram) / product of p(part))` over all ways to cut it."""
    found = []
    for num_cuts in range(1, len(ngram)):
        for cuts in combinations(range(1, len(ngram)), num_cuts):
            parts = [ngram[a:b] for a, b in pairwise([0, *cuts, len(ngram)])]
            together = math.log(counts[ngram] / total)
            found.append(together - sum(math.log(counts[part] / total) for part in parts))
    return min(found)


def expected_lists(corpus: Path, longest: int) -> list[set[Any]]:
    """The n-grams that are listed, for each length from 2, with all that are above 0."""
    words = words_in_order(corpus)
    in_training = {token.text for token in placed_tokens(corpus) if token.split == "train"}
    counts = Counter(
        ngram
        for number in in_training
        for length in range(1, longest + 1)
        for _, ngram in ngrams_of(words[number], length)
    )
    total = sum(count for ngram, count in counts.items() if len(ngram) == 1)
    return [
        {
            ngram
            for ngram, count in counts.items()
            if len(ngram) == length and count >= FEWEST and measure(ngram, counts, total) > 1e-9
        }
        for length in range(2, longest + 1)
    ]


def expected_groups(corpus: Path, lists: list[set[Any]]) -> list[list[tuple[int, int]]]:
    """Of each text, begin and end of what is found: the longest first, then from the left."""
    found = []
    for words in words_in_order(corpus):
        free, spans = [True] * len(words), []
        for length in range(len(lists) + 1, 1, -1):
            for first, ngram in ngrams_of(words, length):
                if ngram in lists[length - 2] and all(free[first : first + length]):
                    free[first : first + length] = [False] * length
                    spans.append((words[first][0], words[first + length - 1][1]))
        found.append(spans)
    return found


@pytest.mark.parametrize("longest", [2, 5])
def test_pmi_groups_the_ngrams_that_the_measure_finds(
    corpus: Path, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pmi_source, "MIN_OCCURRENCES", FEWEST)
    monkeypatch.setattr(collocations, "MAX_COVERED", 100.0)
    name = f"upto{longest}"
    tidemask.annotate(corpus, column=name, source=f"pmi:{longest}", workers=1, progress=False)
    lists = expected_lists(corpus, longest)
    assert all(lists)
    spans = expected_groups(corpus, lists)
    values = column_values(corpus, name)
    groups: dict[Any, set[int]] = defaultdict(set)
    for token in placed_tokens(corpus):
        inside = [span for span in spans[token.text] if span[0] <= token.start < span[1]]
        value = values[token.split][token.row][token.position]
        assert (value == NO_GROUP) == (not inside), token
        if inside:
            groups[token.split, token.row, token.document, inside[0]].add(value)
    assert all(len(ids) == 1 for ids in groups.values())
    by_row: dict[Any, list[int]] = defaultdict(list)
    for (split, row, *_), ids in groups.items():
        by_row[split, row] += ids
    assert all(len(set(ids)) == len(ids) for ids in by_row.values())


def test_pmi_list_keeps_to_its_shares_and_to_the_words_that_it_may_cover() -> None:
    from tidemask.annotation.bounded_counts import CountTable

    random = np.random.default_rng(3)
    tables, found = [], []
    for length in range(1, 6):
        keys = np.sort(random.choice(1 << 40, 1000, replace=False)).astype(np.uint64)
        tables.append(CountTable(keys, random.integers(11, 40, 1000), 100_000, 0))
        found.append(random.normal(2, 1, 1000) * (length > 1))
    chosen = collocations.chosen_collocations(tables, found)
    sizes = [len(keys) for keys in chosen]
    assert sizes[0] / sum(sizes) == pytest.approx(1 / 2, abs=0.01)
    assert sizes[1] / sum(sizes) == pytest.approx(1 / 4, abs=0.01)
    assert sizes[2] == sizes[3]
    covered = 0
    for length, (table, scores, keys) in enumerate(
        zip(tables[1:], found[1:], chosen, strict=True), start=2
    ):
        listed = np.isin(table.keys, keys)
        assert scores[listed].min() >= scores[~listed].max()
        assert (np.diff(keys.astype(np.int64)) > 0).all()
        covered += int(table.counts[listed].sum()) * length
    assert 49_500 < covered <= 50_000


@pytest.mark.slow
def test_pmi_is_the_same_in_several_processes(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pmi_source, "MIN_OCCURRENCES", FEWEST)
    made = [
        tidemask.annotate(
            corpus, column=f"by{workers}", source="pmi:3", workers=workers, progress=False
        )
        for workers in (1, 2)
    ]
    assert made[0].manifest.num_groups == made[1].manifest.num_groups > 0
    assert column_values(corpus, "by1") == column_values(corpus, "by2")


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("pmi:", None, "unusable source: 'pmi:'. Expected pmi:N with N from 2 to 5"),
        ("pmi:1", None, "unusable source: 'pmi:1'"),
        ("pmi:6", None, "unusable source: 'pmi:6'"),
        ("pmi:two", None, "unusable source: 'pmi:two'"),
        ("pmi:3", "weight", "a kind that the source does not have: kind=weight with source=pmi:3"),
    ],
)
def test_pmi_wrongly_asked_for_is_refused(
    corpus: Path, source: str, kind: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        tidemask.annotate(corpus, column="bad", source=source, kind=kind, progress=False)
    assert "\n" not in str(refused.value)


def test_pmi_without_frequent_ngrams_is_refused(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pmi_source, "MIN_OCCURRENCES", 100_000)
    with pytest.raises(UserError, match=r"no collocations: no words of .* occur 100000 times"):
        tidemask.annotate(corpus, column="bad", source="pmi:2", progress=False)
    assert not list((corpus / "columns").glob("*bad*"))

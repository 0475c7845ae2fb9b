"""Few documents: both splits have some, they are disjoint, and nothing is lost."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from prose import sentence
from tidemask.corpus.planning import planned_split
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.few_documents import MIN_WORDS, NUM_PASSAGES, passages
from tidemask.corpus.splitting.plan import Split
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.units import count_words
from tidemask.progress import ignore


def _without_space(text: str) -> str:
    return "".join(text.split())


def _texts(number: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(sentence(rng) for _ in range(4)) + f" {n}" for n in range(number)]


def _splits(
    directory: Path, texts: list[str], share: float
) -> tuple[dict[str, list[str]], list[str]]:
    """The texts of each split, and the notes, as preparation plans them."""

    def documents() -> list[Document]:
        return [Document(text, "here") for text in texts]

    settings = PrepareSettings(held_out=share)
    found, plan, notes = planned_split(documents, settings, directory, ignore)
    by_split = {
        name: [document.text for _, document, split in plan.numbered(found()) if split is which]
        for name, which in (("train", Split.TRAIN), ("held out", Split.HELD_OUT))
    }
    return by_split, notes


@pytest.mark.parametrize("number", [2, 3, 5, 17, 40])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.99])
def test_few_documents_are_in_both_splits_each_once(
    tmp_path: Path, number: int, share: float
) -> None:
    texts = _texts(number)
    by_split, notes = _splits(tmp_path, texts, share)
    assert by_split["train"]
    assert by_split["held out"]
    assert sorted(by_split["train"] + by_split["held out"]) == sorted(texts)
    words = {name: sum(len(text.split()) for text in split) for name, split in by_split.items()}
    found = words["held out"] / sum(words.values())
    assert bool(notes) == (abs(found - share) > 0.1 * share)


def test_few_documents_are_split_by_their_texts_and_not_by_their_order(tmp_path: Path) -> None:
    found = {
        _splits(tmp_path, list(order), 0.001)[0]["held out"][0] for order in permutations(_texts(4))
    }
    assert len(found) == 1


SCRIPTS = {
    "sentences": lambda n: " ".join(_texts(n)),
    "lines": lambda n: "\n".join(_texts(n)),
    "words alone": lambda n: " ".join(f"w{i}" for i in range(40 * n)),
    "without spaces": lambda n: "".join(
        f"第{i}章の文章はここで終わり、次の章が始まる。" for i in range(20 * n)
    ),
}


@pytest.mark.parametrize("number", [6, 40, 400])
@pytest.mark.parametrize("script", SCRIPTS)
def test_passages_are_the_text_in_order_and_long_enough(script: str, number: int) -> None:
    text = SCRIPTS[script](number)
    found = passages(text)
    assert _without_space("".join(found)) == _without_space(text)
    assert 2 <= len(found) <= NUM_PASSAGES + 1
    if script != "without spaces":
        assert all(len(passage.split()) >= MIN_WORDS for passage in found)
    if script == "sentences":
        assert all(passage[0].isupper() or passage[0].isdigit() for passage in found)
        assert max(map(count_words, found)) < 3 * max(MIN_WORDS, count_words(text) // NUM_PASSAGES)


def test_passages_of_a_short_text_are_the_text() -> None:
    assert passages("One sentence. Another.\n\tA third") == ["One sentence. Another.\n\tA third"]


def _prepared(tmp_path: Path, texts: list[str], notes: list[str], **changes: Any) -> PreparedCorpus:
    settings = {"vocab_size": 200, "tagger": "none", "workers": 1, "sequence_length": 32, **changes}
    return prepare_corpus(
        lambda: [Document(text, "here") for text in texts],
        out=tmp_path / "corpus",
        settings=PrepareSettings(**settings),
        on_note=notes.append,
    )


def _decoded(corpus: PreparedCorpus, split: str) -> str:
    tokenizer = load_tokenizer(str(corpus.tokenizer_directory)).tokenizer
    rows = getattr(corpus, split).rows(list(range(len(getattr(corpus, split)))))
    ids = [i for row, n in zip(rows.input_ids.tolist(), rows.length, strict=True) for i in row[:n]]
    return _without_space(tokenizer.decode(ids, skip_special_tokens=True))


def test_a_single_document_is_prepared_in_passages_and_nothing_is_lost(tmp_path: Path) -> None:
    rng = random.Random(3)
    text = " ".join(f"{sentence(rng)} Number {n} follows." for n in range(60))
    notes: list[str] = []
    corpus = _prepared(tmp_path, [text], notes)
    manifest = corpus.manifest
    assert manifest.held_out.num_documents >= 1
    assert manifest.train.num_documents + manifest.held_out.num_documents == len(passages(text))
    assert manifest.num_duplicates_dropped == 0
    assert manifest.notes == tuple(notes) == open_corpus(corpus.root).manifest.notes
    assert "It was cut into" in notes[0]
    written = _without_space(text)
    held_out, train = _decoded(corpus, "held_out"), _decoded(corpus, "train")
    assert len(held_out) + len(train) == len(written)
    assert sorted(held_out + train) == sorted(written)
    assert held_out not in train


def test_a_tokenizer_of_few_documents_is_trained_without_the_held_out_one(tmp_path: Path) -> None:
    texts = [f"{text} {letter * 3}" for text, letter in zip(_texts(4), "αβγδ", strict=True)]
    held_out = _splits(tmp_path, texts, 0.001)[0]["held out"][0]
    corpus = _prepared(tmp_path, texts, [], held_out=0.001)
    entries = set(load_tokenizer(str(corpus.tokenizer_directory)).tokenizer.get_vocab())
    assert {letter for letter in "αβγδ" if letter in entries} == set("αβγδ") - {held_out[-1]}


def test_prepare_of_few_documents_says_what_was_done(
    tidemask: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("\n\n".join(_texts(17)))
    status, _, err = tidemask(
        "prepare", tmp_path / "text.txt", "--out", tmp_path / "corpus", "--vocab-size", 100,
        "--workers", 1, "--held-out", 0.001, "--tagger", "none",
    )  # fmt: skip
    assert status == 0, err
    assert " of the words are held out instead of 0.1%: no choice among the 17 documents" in err
    assert json.loads((tmp_path / "corpus" / "manifest.json").read_text())["notes"][0] in err

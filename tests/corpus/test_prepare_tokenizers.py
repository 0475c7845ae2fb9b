"""Corpora with a tokenizer of each kind, and how much of their text it does not know."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prose import text
from tidemask.corpus import long_documents
from tidemask.corpus.again import prepare_again
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.prepare import prepare
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.corpus import PreparedCorpus, open_corpus
from tidemask.errors import UserError
from trained_tokenizer import train_tokenizer

TEXTS = [
    " ".join(part.split())
    for part in [*text(8, num_sentences=12).split("\n\n"), "Für die Mädchen, für alle."]
]


def prepared(directory: Path, notes: list[str] | None = None, **settings: Any) -> PreparedCorpus:
    chosen = PrepareSettings(
        **{
            "vocab_size": 400,
            "sequence_length": 32,
            "held_out": 0.2,
            "workers": 1,
            "tagger": "none",
            **settings,
        }
    )
    told: list[str] = []
    corpus = prepare_corpus(
        lambda: [Document(part, "x") for part in TEXTS],
        out=directory,
        settings=chosen,
        on_note=told.append,
    )
    assert list(corpus.manifest.notes) == told
    if notes is not None:
        notes += told
    return corpus


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram"])
def test_prepare_trains_a_tokenizer_of_each_kind(tmp_path: Path, kind: str) -> None:
    if kind == "unigram":
        pytest.importorskip("sentencepiece")
    corpus = prepared(tmp_path / "corpus", tokenizer_kind=kind)
    again = prepared(tmp_path / "again", tokenizer_kind=kind)
    assert corpus.manifest.fingerprint == again.manifest.fingerprint
    assert corpus.manifest.train.num_unknown == 0
    by_words = prepared(tmp_path / "other", tokenizer_kind="wordpiece").manifest
    assert corpus.manifest.train.num_words == by_words.train.num_words
    assert corpus.manifest.held_out.num_words == by_words.held_out.num_words


def test_prepare_again_trains_or_extends_the_same_tokenizer(tmp_path: Path) -> None:
    """From the settings in the manifest: the kind and form of one, the words for another."""
    (tmp_path / "text.txt").write_text("\n\n".join(TEXTS), encoding="utf-8")
    train_tokenizer(TEXTS, vocab_size=150, lowercase=False).save(tmp_path / "tokenizer")
    variants: list[dict[str, Any]] = [
        {"tokenizer_kind": "bpe", "vocab_size": 300, "normalization": "nfkc", "lowercase": True},
        {"tokenizer": tmp_path / "tokenizer", "extend_vocabulary": 12},
    ]
    for number, settings in enumerate(variants):
        common = {"tagger": "none", "workers": 1, "sequence_length": 32, "progress": False}
        out = tmp_path / f"corpus-{number}"
        made = prepare(tmp_path / "text.txt", out=out, **common, **settings)
        again = prepare_again(out, out=tmp_path / f"again-{number}", progress=False)
        assert again.manifest.fingerprint == made.manifest.fingerprint


def test_prepare_counts_unknown_tokens(tmp_path: Path) -> None:
    """A tokenizer of a text without some letters of this one."""
    narrow = train_tokenizer(["the river and a bridge"], vocab_size=100, lowercase=False)
    narrow.save(tmp_path / "tokenizer")
    notes: list[str] = []
    corpus = prepared(tmp_path / "corpus", notes, tokenizer=str(tmp_path / "tokenizer"))
    for split, counts in (
        (corpus.train, corpus.manifest.train),
        (corpus.held_out, corpus.manifest.held_out),
    ):
        rows = split.rows(np.arange(len(split)))
        assert counts.num_unknown == int((rows.input_ids == 1).sum()) > 0
        assert counts.unknown_share == counts.num_unknown / counts.num_tokens
    assert any("The tokenizer has no entry for" in note and "bpe" in note for note in notes)
    assert open_corpus(corpus.root).manifest == corpus.manifest


def test_prepare_takes_a_tokenizer_or_settings_of_one(tmp_path: Path) -> None:
    given = {"tokenizer": "somewhere", "tokenizer_kind": "bpe", "lowercase": True}
    with pytest.raises(UserError) as caught:
        prepare(tmp_path / "text.txt", out=tmp_path / "corpus", progress=False, **given)
    assert str(caught.value).startswith(
        "both a tokenizer and settings of one to train: tokenizer=somewhere, "
        "tokenizer_kind='bpe', lowercase=True."
    )
    assert not (tmp_path / "corpus").exists()


def test_prepare_command_trains_and_tells(
    tmp_path: Path, tidemask: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "text.txt").write_text("\n\n".join(TEXTS), encoding="utf-8")
    status, out, _ = tidemask(
        "prepare", tmp_path / "text.txt", "--out", tmp_path / "corpus", "--tagger", "none",
        "--tokenizer-kind", "bpe", "--vocab-size", 300, "--normalization", "nfkc", "--lowercase",
        "--keep-accents", "--workers", 1, "--sequence-length", 32,
    )  # fmt: skip
    assert status == 0
    assert "unknown" in out
    assert "0.00 %" in out
    tokenizer = open_corpus(tmp_path / "corpus").tokenizer_directory
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(tokenizer)
    written = loaded.decode(loaded("ﬁne MÄDCHEN", add_special_tokens=False)["input_ids"])
    assert written == "fine mädchen"


def test_prepare_trains_the_same_tokenizer_on_a_document_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprints = []
    for characters in (1 << 18, 300):
        monkeypatch.setattr(long_documents, "MAX_PART_CHARACTERS", characters)
        for kind in ("wordpiece", "bpe"):
            corpus = prepared(tmp_path / f"{kind}-{characters}", tokenizer_kind=kind)
            fingerprints.append(corpus.manifest.fingerprint)
    assert fingerprints[:2] == fingerprints[2:]


@pytest.mark.slow
def test_prepare_takes_a_word_and_a_line_of_any_length(tmp_path: Path) -> None:
    """A word of 100,000 letters, and a line longer than the parts that are tokenized."""
    rng = random.Random(3)
    word = "".join(rng.choices("abcdefgh", k=100_000))
    line = " ".join([*TEXTS] * (1 + long_documents.MAX_PART_CHARACTERS // len(" ".join(TEXTS))))
    assert len(line) > long_documents.MAX_PART_CHARACTERS
    (tmp_path / "text.txt").write_text(f"Before {word} after.\n{line}\n", "utf-8")
    counts = prepare(
        tmp_path / "text.txt", out=tmp_path / "corpus", documents="line", tagger="none", held_out=0,
        vocab_size=400, workers=1, progress=False,
    ).manifest.train  # fmt: skip
    assert (counts.num_documents, counts.num_unknown) == (2, 0)
    assert counts.num_words == len(re.findall(r"\w+|[^\w\s]", f"Before {word} after. {line}"))

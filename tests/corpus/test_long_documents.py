"""Long documents are encoded in parts, and come out as if they were not."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prose import document
from tidemask.corpus import encoding, long_documents
from tidemask.corpus.encoding import encode_documents
from tidemask.corpus.long_documents import CutDocuments, part_ends
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.rows import EncodedDocument
from tidemask.corpus.tagging.given_tags import GivenTagger, GivenTags
from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder
from tidemask.corpus.tokenizing.training import TokenizerKind, tokenizer_trainer
from tidemask.corpus.words.spans import GivenWords, bounds_of

TEXT = "\n\n".join(document(random.Random(n), 12) for n in range(8))
KINDS: tuple[TokenizerKind, ...] = ("wordpiece", "bpe", "unigram")


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_documents, "MAX_PART_CHARACTERS", 700)


@pytest.fixture(scope="module", params=KINDS)
def encoder(request: pytest.FixtureRequest) -> PlainTextEncoder:
    settings = PrepareSettings(tokenizer_kind=request.param, vocab_size=300)
    trainer = tokenizer_trainer(
        settings.tokenizer_kind,
        vocab_size=settings.vocab_size,
        normalization=settings.text_normalization,
    )
    return trainer.train(lambda: iter([TEXT])).encoder()


def encoded(encoder: PlainTextEncoder, text: str) -> EncodedDocument:
    (found,) = encode_documents([Document(text, "x")], encoder, None, num_workers=1)
    return found


@given(st.text(st.sampled_from("ab \n\u0301।"), max_size=60), st.integers(1, 9))
def test_parts_are_the_text_and_never_longer(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_documents, "MAX_PART_CHARACTERS", size)
        ends = part_ends(text)
    assert ends == sorted(set(ends)) or not text
    assert ends[-1] == len(text)
    assert all(0 < end - begin <= size for begin, end in zip([0, *ends], ends, strict=False)) or (
        ends == [0]
    )


def test_parts_end_at_lines_then_spaces_then_sentences_then_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(long_documents, "MAX_PART_CHARACTERS", 10)
    cuts = {
        "one two\n\nthree fo": ["one two", "\n\nthree fo"],
        "one two three four": ["one two", " three", " four"],
        "一二三。四五六七八九十": ["一二三。", "四五六七八九十"],
        "abcdefghi" + "e\u0301" * 3: ["abcdefghi", "e\u0301" * 3],
    }
    for text, parts in cuts.items():
        ends = part_ends(text)
        assert [text[a:b] for a, b in zip([0, *ends], ends, strict=False)] == parts


def test_long_documents_are_encoded_as_whole_ones(
    encoder: PlainTextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoded(encoder, TEXT)
    monkeypatch.setattr(long_documents, "MAX_PART_CHARACTERS", 700)
    in_parts = encoded(encoder, TEXT)
    for name in ("ids", "word_starts", "classes"):
        assert np.array_equal(getattr(whole, name), getattr(in_parts, name)), name
    # The mark of a space may stand for the line end before it or for the letter after it.
    for start, other in zip(whole.starts.tolist(), in_parts.starts.tolist(), strict=True):
        assert not TEXT[min(start, other) : max(start, other)].strip()


TAGS = ("one", "two", "three")


def with_words(text: str, seed: int) -> tuple[Document, GivenTagger]:
    """A document with words, some of which have spaces within, and tags at random."""
    rng = random.Random(seed)
    spans = [match.span() for match in re.finditer(r"\w+(?: \w+)?|[^\w\s]", text)]
    words = GivenWords(*bounds_of(spans), tuple(rng.choice(TAGS) for _ in spans))
    tagger = GivenTagger(GivenTags("column"))
    tagger.see(words, "x")
    tagger.judge()
    return Document(text, "x", words=words), tagger


@pytest.mark.parametrize("size", [40, 90, 700])
def test_long_documents_with_words_are_encoded_as_whole_ones(
    encoder: PlainTextEncoder, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Parts end at spaces, so that a word with one in it would often be cut."""
    given, tagger = with_words(TEXT, size)
    asked: dict[str, Any] = {"encoder": encoder, "tagger": tagger, "num_workers": 1}
    (whole,) = encode_documents([given], **asked)
    monkeypatch.setattr(long_documents, "MAX_PART_CHARACTERS", size)
    cut = list(CutDocuments().parts([given]))
    assert len(cut) >= len(TEXT) // size
    assert all(len(part.text) <= size for part in cut)
    (in_parts,) = encode_documents([given], **asked)
    for name in ("ids", "word_starts", "classes"):
        assert np.array_equal(getattr(whole, name), getattr(in_parts, name)), name


@pytest.mark.usefixtures("short_parts")
def test_long_documents_in_one_line_know_their_places(encoder: PlainTextEncoder) -> None:
    text = " ".join(TEXT.split())
    found = encoded(encoder, text)
    assert (np.diff(found.starts) >= 0).all()
    words = [text[start:].split()[0] for start in found.starts[found.word_starts].tolist()]
    assert " ".join(words[:20]).replace(" .", ".")[:30] == text[:30]
    assert 0 <= len(text) - found.starts[-1] < 15


@pytest.mark.slow
def test_long_documents_are_the_same_by_any_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_parts: Callable[[], None]
) -> None:
    monkeypatch.setattr(encoding, "CHUNK_CHARACTERS", 500)
    documents = [Document(TEXT, "long"), Document("Short.", "short"), Document(TEXT[9:], "x")]
    prints = [
        prepare_corpus(
            lambda: documents,
            out=tmp_path / str(workers),
            settings=PrepareSettings(vocab_size=200, tagger="none", held_out=0, workers=workers),
        ).manifest.fingerprint
        for workers in (1, 2)
    ]
    assert prints[0] == prints[1]

"""TF-IDF of words, against scikit-learn's on the words of the texts themselves."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

import tidemask
from annotated_corpora import TEXTS, column_values, placed_tokens, prepared, write_texts
from tidemask import UserError
from tidemask.annotation.bounded_counts import CAPACITY
from tidemask.corpus.tokenizing.loading import load_tokenizer


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "unigram"])
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weighted")
    return prepared(root, tokenizer_kind=request.param, vocab_size=420)


def words_of(corpus: Path) -> list[list[tuple[int, tuple[int, ...]]]]:
    """Of each text, its words: the place of the first token, and the ids of all."""
    encoder = load_tokenizer(corpus / "tokenizer").encoder()
    words = []
    for encoded in encoder.encode(TEXTS):
        bounds = [*np.flatnonzero(encoded.word_starts).tolist(), len(encoded.ids)]
        words.append([(a, tuple(encoded.ids[a:b].tolist())) for a, b in pairwise(bounds)])
    return words


def expected_weights(corpus: Path, in_training: list[int]) -> list[dict[int, float]]:
    """By text, the weight of each token, by its place.

    scikit-learn adds 1 to the inverse document frequency, so its frequency alone is taken off.
    """
    words = words_of(corpus)
    usual = {"analyzer": lambda number: [word for _, word in words[number]]}
    usual |= {"sublinear_tf": True, "norm": None}
    model = TfidfVectorizer(**usual, smooth_idf=True).fit(in_training)
    weights: list[dict[int, float]] = []
    for number, of_text in enumerate(words):
        scores = model.transform([number]).toarray()[0]
        counts = {word: sum(other == word for _, other in of_text) for _, word in of_text}
        new = np.log(1 + len(in_training))
        of_word = {
            word: scores[model.vocabulary_[word]] - (1 + np.log(count))
            if word in model.vocabulary_
            else (1 + np.log(count)) * new
            for word, count in counts.items()
        }
        weights.append({at + i: of_word[word] for at, word in of_text for i in range(len(word))})
    return weights


def test_tf_idf_equals_that_of_scikit_learn(corpus: Path) -> None:
    made = tidemask.annotate(corpus, column="tfidf", source="tfidf", workers=1, progress=False)
    assert made.manifest.kind == "weight"
    tokens = list(placed_tokens(corpus))
    in_training = sorted({token.text for token in tokens if token.split == "train"})
    assert 0 < len(in_training) < len(TEXTS)
    weights = expected_weights(corpus, in_training)
    values = column_values(corpus, "tfidf")
    encoder = load_tokenizer(corpus / "tokenizer").encoder()
    place_of = [
        {
            start + len(text[start:end]) - len(text[start:end].lstrip()): place
            for place, (start, end) in enumerate(zip(one.starts, one.ends, strict=True))
            if text[start:end].strip()
        }
        for text, one in zip(TEXTS, encoder.encode(TEXTS), strict=True)
    ]
    for token in tokens:
        expected = weights[token.text][place_of[token.text][token.start]]
        found = values[token.split][token.row][token.position]
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6), token


@pytest.mark.slow
def test_tf_idf_is_the_same_in_several_processes(corpus: Path) -> None:
    of_name = {}
    for workers in (1, 2):
        name = f"by_{workers}"
        tidemask.annotate(corpus, column=name, source="tfidf", workers=workers, progress=False)
        of_name[name] = column_values(corpus, name)
    assert of_name["by_1"] == of_name["by_2"]


def test_tf_idf_fingerprint_names_the_bound_of_its_counts() -> None:
    from tidemask.annotation.tf_idf import TfIdf

    assert str(CAPACITY) in TfIdf.fingerprint


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("tfidf:words", None, "unusable source: 'tfidf:words'. Expected tfidf alone."),
        ("tfidf", "class", "a kind that the source does not have: kind=class with source=tfidf"),
        ("tfid", None, "unknown source: 'tfid'. .* Did you mean tfidf"),
    ],
)
def test_tf_idf_wrongly_asked_for_is_refused(
    corpus: Path, source: str, kind: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        tidemask.annotate(corpus, column="bad", source=source, kind=kind, progress=False)
    assert "\n" not in str(refused.value)


def test_tf_idf_of_a_single_document_is_refused(tmp_path: Path, corpus: Path) -> None:
    train = write_texts(tmp_path / "one.jsonl", [" ".join(TEXTS)])
    held_out = write_texts(tmp_path / "other.jsonl", TEXTS[:1])
    tidemask.prepare(
        train, out=tmp_path / "one", held_out_text=held_out, tokenizer=str(corpus / "tokenizer"),
        sequence_length=16, tagger="none", deduplicate="none", workers=1, progress=False,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"too few documents: .* has 1\. Expected 2 or more"):
        tidemask.annotate(tmp_path / "one", column="bad", source="tfidf", progress=False)
    assert not (tmp_path / "one" / "columns" / "bad").exists()

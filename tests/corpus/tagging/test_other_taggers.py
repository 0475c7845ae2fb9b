"""Stanza and NLTK as taggers, without their models: what they return becomes words and classes."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import nltk
import pytest

from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.corpus.tagging.words import TaggedWords
from tidemask.errors import UserError
from tidemask.token_classes import UPOS


def shown(text: str, words: TaggedWords) -> list[tuple[str, str]]:
    spans = zip(words.starts, words.ends, words.classes, strict=True)
    return [(text[a:b], UPOS[one] if one != 255 else "") for a, b, one in spans]


def token(start: int, text: str, *words: tuple[str, str]) -> SimpleNamespace:
    """What Stanza has of a token."""
    return SimpleNamespace(
        text=text,
        start_char=start,
        end_char=start + len(text),
        words=[SimpleNamespace(text=form, upos=upos) for form, upos in words],
    )


def stanza_with(pipeline: Any) -> ModuleType:
    module = ModuleType("stanza")
    vars(module).update(Pipeline=pipeline, __version__="1.2.3")
    return module


def test_stanza_words_and_tokens_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def pipeline(code: str, **options: Any) -> Any:
        asked.update(options, code=code)
        tokens = [
            token(0, "Va", ("Va", "VERB")),
            token(3, "au", ("à", "ADP"), ("le", "DET")),
            token(6, "port", ("port", None)),
            token(10, "can't", ("ca", "AUX"), ("n't", "PART")),
        ]
        return lambda text: SimpleNamespace(sentences=[SimpleNamespace(tokens=tokens)])

    monkeypatch.setitem(sys.modules, "stanza", stanza_with(pipeline))
    tagger = load_tagger("stanza:fr:gsd")
    assert tagger is not None
    assert (asked["code"], asked["package"], asked["download_method"]) == ("fr", "gsd", None)
    assert tagger.fingerprint == "stanza 1.2.3, fr:gsd"
    text = "Va au portcan't"
    assert shown(text, tagger.tag([text])[0]) == [
        ("Va", "VERB"),
        ("au", "DET"),
        ("port", ""),
        ("ca", "AUX"),
        ("n't", "PART"),
    ]
    assert len(tagger.tag([" "])[0].starts) == 0


def test_stanza_without_its_model_or_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(code: str, **options: Any) -> Any:
        raise FileNotFoundError("Resources file not found")

    monkeypatch.setitem(sys.modules, "stanza", stanza_with(missing))
    with pytest.raises(UserError, match=r"stanza:de: Resources file .* stanza.download\('de'\)"):
        load_tagger("stanza:de")
    monkeypatch.setitem(sys.modules, "stanza", None)
    with pytest.raises(UserError, match=r"tagger=stanza:de needs Stanza.*'tidemask\[stanza\]'"):
        load_tagger("stanza:de")


def test_nltk_tags_become_universal_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    penn = {"The": "DT", "old": "JJ", "have": "VBP", "gone": "VBN", "fishing": "VBG", ".": "."}
    monkeypatch.setattr(
        nltk, "pos_tag", lambda words: [(word, penn.get(word, "NN")) for word in words]
    )
    tagger = load_tagger("nltk")
    assert tagger is not None
    text = "The old have gone fishing."
    assert shown(text, tagger.tag([text])[0]) == [
        ("The", "DET"),
        ("old", "ADJ"),
        ("have", "AUX"),
        ("gone", "VERB"),
        ("fishing", "VERB"),
        (".", "PUNCT"),
    ]


def test_nltk_without_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(words: list[str]) -> None:
        raise LookupError("Resource not found")

    monkeypatch.setattr(nltk, "pos_tag", missing)
    with pytest.raises(UserError, match=r"needs the data averaged_perceptron_tagger_eng.*-m nltk"):
        load_tagger("nltk")

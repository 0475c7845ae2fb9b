"""Texts that are encoded together have what each has by itself, whatever stands at their ends."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer, PlainTextEncoder
from tidemask.corpus.words.boundaries import OF_TEXT, WordRule
from tidemask.corpus.words.joined_texts import JoinedTexts
from tidemask.corpus.words.spans import Words
from tokenizer_kinds import KINDS, tokenizer_of

_ODD = (
    *(" ", "  ", "\n", "\r", "\t", "\u00a0", "\u200b", "\x1c", "\u2028"),
    *("\u0301", "\u200d", "\u093c", "\u0e31", "\ufe0f", "e\u0301", "न", "ก", "中文", "か"),
    *("a", "the sea ", "tides", " falls", "-", ".", "'s", "3", "🙂", "▁", "Ġ", "##", "<mask>"),
)
_TEXTS = st.lists(st.lists(st.sampled_from(_ODD), max_size=6).map("".join), max_size=6)
_RULES: tuple[WordRule, ...] = ("unicode", "whitespace")


@cache
def _encoder(kind: str) -> PlainTextEncoder:
    return CorpusTokenizer(tokenizer_of(kind)).encoder()


@pytest.mark.parametrize("kind", KINDS)
@example(texts=["a ", " b", "", " ", "\u0301a", "a\r", "\u0301"])
@given(texts=_TEXTS)
def test_joined_texts_have_what_each_has_by_itself(kind: str, texts: list[str]) -> None:
    encoder = _encoder(kind)
    for rule in _RULES:
        of_text = OF_TEXT[rule]
        words = [of_text(text) for text in texts]
        found = [encoder.encode(texts, words), encoder.encode(texts, of_text)]
        for number, text in enumerate(texts):
            (alone,) = encoder.encode([text], [words[number]])
            for together in found:
                for name, column in vars(alone).items():
                    np.testing.assert_array_equal(getattr(together[number], name), column, name)


def test_joined_texts_of_too_few_words_are_refused() -> None:
    with pytest.raises(ValueError, match=r"words of 1 texts. Expected 2."):
        JoinedTexts(["a", "b"]).words([Words.of([(0, 1)])])

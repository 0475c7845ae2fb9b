"""Letters are counted, and text is made known, piece by piece with what whole texts would give."""

from __future__ import annotations

import functools
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.normalizers import Normalizer

from tidemask.corpus.tokenizing import trained_form
from tidemask.corpus.tokenizing.normalization import TextNormalization, UnicodeForm
from tidemask.corpus.tokenizing.trained_form import LetterCounts
from tidemask.corpus.tokenizing.training import TokenizerKind, tokenizer_trainer
from tidemask.corpus.words.boundaries import parts_at_words

_VOCAB_SIZE = 16
"""Of four letters."""

_ODD = (
    *(" ", " ", " ", "  ", "\n", "\t", "\u00a0"),
    *("\u3000", "\x1c", "\x85", "\u200b", "\u200d", "\u00ad"),
    *("a", "B", "é", "e\u0301", "\u0301", "\u0323", "ﬁ", "İ", "Σ", "ß", "Å", "½", "¨", "Ω"),
    *("中", "文", "か", "\u3099", "가", "\u1112", "\u1161"),
    *("กา", "न", "\u093c", "😀", "—", "x" * 40),
)
_TEXTS = st.lists(st.lists(st.sampled_from(_ODD), max_size=30).map("".join), max_size=8)
_FORMS: tuple[UnicodeForm, ...] = ("nfc", "nfkc", "none")
_KINDS: tuple[TokenizerKind, ...] = ("wordpiece", "unigram")
_SETTINGS = st.sampled_from(list(itertools.product(_KINDS, _FORMS, (False, True), (False, True))))


@functools.cache
def _normalizer(kind: TokenizerKind, form: UnicodeForm, lower: bool, strip: bool) -> Normalizer:
    normalization = TextNormalization(form=form, lowercase=lower, strip_accents=strip)
    trainer = tokenizer_trainer(kind, vocab_size=64, normalization=normalization)
    return trainer.train(lambda: ["a b"]).tokenizer.backend_tokenizer.normalizer


@given(texts=_TEXTS, settings=_SETTINGS, most_pieces=st.sampled_from([1, 3, 1 << 16]))
def test_letter_counts_are_those_of_whole_texts(
    texts: list[str],
    settings: tuple[TokenizerKind, UnicodeForm, bool, bool],
    most_pieces: int,
) -> None:
    normalizer = _normalizer(*settings)
    counts = Counter("".join(normalizer.normalize_str(text) for text in texts))
    frequent = sorted((-n, letter) for letter, n in counts.items() if not letter.isspace())
    alphabet = sorted(letter for _, letter in frequent[: _VOCAB_SIZE // 4])
    words = [
        [
            "".join(c if c in alphabet or c.isspace() else " " for c in part).split()
            for part in normalizer.normalize_str("⠀".join(parts_at_words(text))).split("⠀")
        ]
        for text in texts
    ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained_form, "MAX_PIECES", most_pieces)
        letters = LetterCounts(normalizer, _VOCAB_SIZE, texts)
    known = letters.known_text(texts, border="⠀")

    assert letters.alphabet() == alphabet
    assert [[part.split() for part in text.split("⠀")] for text in known] == words

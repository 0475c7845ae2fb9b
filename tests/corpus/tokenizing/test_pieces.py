"""Text that is cut piece by piece has the words of the whole text, whatever stands in it."""

from __future__ import annotations

import functools

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tidemask.corpus.tokenizing.normalization import TextNormalization, UnicodeForm
from tidemask.corpus.tokenizing.pieces import (
    cut,
    once_for_each,
    pieces_with_space,
    spaced_pieces,
)
from tidemask.corpus.tokenizing.training import TokenizerKind, tokenizer_trainer

_ODD = (
    *(" ", " ", " ", "\n", "\t", "\r", "\u00a0", "\u3000", "\x1c", "\x85", "\u2028"),
    *("\u200b", "\u200d", "\u00ad", "\ufeff", "\x00", "a", "b"),
    *("don't", "'ll", "3", "½", "..", "—"),
    *("é", "e\u0301", "\u0301", "ﬁ", "Σ", "¨", "中", "か", "\u3099", "가", "\u1112", "\u1161", "न"),
    *("\u093c", "😀", "_", "x" * 40, "$", "²"),
)
_TEXT = st.lists(st.sampled_from(_ODD), max_size=40).map("".join) | st.text(max_size=40)
_FORMS: tuple[UnicodeForm, ...] = ("nfc", "nfkc", "none")


@functools.cache
def _backend(kind: TokenizerKind, form: UnicodeForm, strip_accents: bool) -> Tokenizer:
    normalization = TextNormalization(form=form, lowercase=True, strip_accents=strip_accents)
    trainer = tokenizer_trainer(kind, vocab_size=300, normalization=normalization)
    return trainer.train(lambda: ["a b"]).tokenizer.backend_tokenizer


@given(text=_TEXT, form=st.sampled_from(_FORMS), strip_accents=st.booleans())
def test_pieces_have_the_words_of_the_whole_text(
    text: str, form: UnicodeForm, strip_accents: bool
) -> None:
    for kind, pieces_of in (("wordpiece", spaced_pieces), ("bpe", pieces_with_space)):
        backend = _backend(kind, form, strip_accents)

        def normalised(text: str, backend: Tokenizer = backend) -> str:
            return backend.normalizer.normalize_str(text) if backend.normalizer else text

        whole = backend.pre_tokenizer.pre_tokenize_str(normalised(text))
        each_once = once_for_each(lambda p: cut(normalised(p), backend.pre_tokenizer))  # noqa: B023
        assert each_once(pieces_of(text)).split() == [word for word, _ in whole]
        assert not any(set(word) & set(" \t\n\r\u00a0\u3000\x85\u2028") for word, _ in whole)


def test_pieces_are_changed_once_for_as_often_as_they_occur() -> None:
    changed: list[str] = []

    def change(piece: str) -> str:
        changed.append(piece)
        return piece.upper()

    each_once = once_for_each(change)
    long = "x" * 40
    assert each_once(["a", "b", "a", long]) == f"A B A {long.upper()}"
    assert each_once(["b", long]) == f"B {long.upper()}"
    assert changed == ["a", "b", long, long]

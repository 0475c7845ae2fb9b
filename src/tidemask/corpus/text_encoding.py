"""Texts to encoded documents: tokenised, tagged and aligned, by a pure function."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.rows import EncodedDocument
from tidemask.corpus.tagging.words import TaggedWords, Tagger, align_classes, own_classes
from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder
from tidemask.corpus.words.boundaries import OF_TEXT, WordRule
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS


def encode_texts(
    texts: Sequence[str],
    encoder: PlainTextEncoder,
    tagger: Tagger | None,
    words: WordRule = "auto",
    given: Sequence[TaggedWords] | None = None,
) -> list[EncodedDocument]:
    """One document for each text; without tags no token has a class, and special ones never.

    Args:
        texts: to be encoded.
        encoder: the tokenizer's.
        tagger: `None` for no classes.
        words: where words come from.
        given: of each text, in the place of a tagger's words.
    """
    tagged = tagger.tag(texts) if given is None and tagger is not None else given
    rule = resolved_rule(words, has_tags=tagged is not None)
    if tagged is not None and rule == "tagger":
        encoded = encoder.encode(texts, tagged)
    elif rule == "tokenizer":
        encoded = encoder.encode(texts)
    else:
        encoded = encoder.encode(texts, OF_TEXT[rule])
    if tagged is None:
        classes = [np.full(len(e.ids), NO_CLASS, np.uint8) for e in encoded]
    else:
        aligned = own_classes if rule == "tagger" else align_classes
        classes = [
            _but_of_special(aligned(of_text, e.starts, e.ends, e.word_starts), e.ids, encoder)
            for e, of_text in zip(encoded, tagged, strict=True)
        ]
    return [
        EncodedDocument(e.ids, e.word_starts, of_document, e.starts.astype(np.int64))
        for e, of_document in zip(encoded, classes, strict=True)
    ]


def _but_of_special(
    classes: NDArray[np.uint8], ids: NDArray[np.uint32], encoder: PlainTextEncoder
) -> NDArray[np.uint8]:
    """The classes of tokens [N], without those of special tokens."""
    if encoder.declared:
        classes[np.isin(ids, encoder.declared)] = NO_CLASS
    return classes


def resolved_rule(words: WordRule, *, has_tags: bool) -> WordRule:
    """Where words come from, with a tagger or without: not `auto`.

    Raises:
        UserError: the words are to be the tagger's, and there is none.
    """
    if words == "tagger" and not has_tags:
        raise UserError(
            "words of a tagger without one: words=tagger and tagger=none. Expected a tagger. Name "
            "it (--tagger), or take the words of Unicode (--words unicode)."
        )
    if words == "auto":
        return "tagger" if has_tags else "unicode"
    return words

"""Starts of words as a column of tokenised examples, for programs with datasets of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.tokenizing.word_starts import find_word_starts


def word_starts_of(encoding: Any, texts: str | Sequence[str]) -> list[NDArray[np.bool_]]:
    """Whether each token begins a word, for every text that a fast tokenizer encoded.

    Special tokens and padding count as words of their own.

    Args:
        encoding: what a fast Hugging Face tokenizer returned for `texts`.
        texts: the texts, or the one text.

    Returns:
        One bool array per text, as long as its `input_ids`.

    Raises:
        ValueError: the tokenizer is not a fast one, or encoded another number of texts, or pairs.

    Example:
        A dataset gets its columns with
        `dataset.map(lambda rows: {**(e := tokenizer(rows["text"])), "word_starts":
        word_starts_of(e, rows["text"])}, batched=True)`.
    """
    texts = [texts] if isinstance(texts, str) else texts
    encodings = getattr(encoding, "encodings", None)
    if encodings is None:
        raise ValueError(
            f"a {type(encoding).__name__} without encodings. Expected the output of a fast "
            "tokenizer, as it returned it."
        )
    if len(encodings) != len(texts):
        raise ValueError(
            f"{len(texts)} texts for {len(encodings)} encodings. Expected one each; encode "
            "without return_overflowing_tokens."
        )
    if any(1 in one.sequence_ids for one in encodings):
        raise ValueError("pairs of texts were encoded. Expected one text per sequence.")
    return [_starts(one, text) for one, text in zip(encodings, texts, strict=True)]


def _starts(encoding: Any, text: str) -> NDArray[np.bool_]:
    inside = np.array([word is not None for word in encoding.word_ids], dtype=np.bool_)
    offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)[inside]
    words = np.array([w for w in encoding.word_ids if w is not None], dtype=np.int32)
    starts = np.ones(len(inside), dtype=np.bool_)
    starts[inside] = find_word_starts(text, offsets[:, 0], offsets[:, 1], words)
    return starts

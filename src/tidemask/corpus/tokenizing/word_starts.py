"""Which tokens begin a word, for any fast tokenizer, from its offsets alone.

A token begins a word when the pre-tokenizer says so, when white space precedes it, or when its
first character and the last one of the token before differ in being alphanumeric, so that a
SentencePiece "mat." is two words. Taggers play no part: a corpus has the same words with any of
them. Combining marks and joiners count as the character that they belong to, and a token that
begins within a character, as bytes of an emoji do, never begins a word.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OTHER, _ALPHANUMERIC, _JOINING, _SPACE = range(4)


def word_starts_of(encoding: Any, texts: str | Sequence[str]) -> list[NDArray[np.bool_]]:
    """Whether each token begins a word, for every text that a fast tokenizer encoded.

    It is a column for `datasets.Dataset.map`. Special tokens and padding count as words of their
    own.

    Args:
        encoding: what a fast Hugging Face tokenizer returned for `texts`.
        texts: the texts, or the one text.

    Returns:
        One bool array per text, as long as its `input_ids`.

    Raises:
        ValueError: the tokenizer is not a fast one, or encoded another number of texts, or pairs.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> backend = Tokenizer(models.WordPiece({"[UNK]": 0, "tide": 1, "##s": 2, "turn": 3}))
        >>> backend.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
        >>> encoding = tokenizer("tides turn")
        >>> encoding.tokens()
        ['tide', '##s', 'turn']
        >>> [starts] = word_starts_of(encoding, "tides turn")
        >>> starts.tolist()
        [True, False, True]
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
    if any(1 in encoded.sequence_ids for encoded in encodings):
        raise ValueError("pairs of texts were encoded. Expected one text per sequence.")
    return [_with_special_tokens(*pair) for pair in zip(encodings, texts, strict=True)]


def _with_special_tokens(encoding: Any, text: str) -> NDArray[np.bool_]:
    """The starts of one `tokenizers.Encoding`, true at special tokens and padding."""
    inside = np.array([word is not None for word in encoding.word_ids], dtype=np.bool_)
    offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)[inside]
    word_ids = np.array([word for word in encoding.word_ids if word is not None], dtype=np.int32)
    starts = np.ones(len(inside), dtype=np.bool_)
    starts[inside] = find_word_starts(text, offsets[:, 0], offsets[:, 1], word_ids)
    return starts


def find_word_starts(
    text: str,
    starts: NDArray[np.int32],
    ends: NDArray[np.int32],
    word_ids: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Whether each token begins a word; the first always does.

    Args:
        text: the text that was encoded.
        starts: offset of each token's first character, shape [N].
        ends: offset after each token's last character, shape [N].
        word_ids: the pre-tokenizer's number of each token's word, shape [N].
    """
    if not len(starts):
        return np.empty(0, np.bool_)
    kinds = _kinds(text)
    is_space = kinds == _SPACE
    num_spaces = np.concatenate([[0], np.cumsum(is_space)])
    # Offsets may include the white space before a word (SentencePiece, byte-level BPE), so a token
    # is compared from its first visible character on. A token without one is blank: it begins a
    # word only after a token that is not.
    first_visible = _next_false(is_space)[starts]
    is_blank = first_visible >= ends

    is_start = np.ones(len(starts), np.bool_)
    differs = kinds[first_visible[1:]] != kinds[np.maximum(ends[:-1] - 1, 0)]
    spaced = num_spaces[first_visible[1:]] > num_spaces[ends[:-1]]
    by_characters = (differs | spaced) & ~is_blank[:-1] & ~is_blank[1:]
    is_start[1:] = (word_ids[1:] != word_ids[:-1]) | by_characters | (is_blank[1:] & ~is_blank[:-1])
    # Bytes of one character have its offsets in common: a word starts where no earlier token is.
    is_start[1:] &= starts[1:] >= np.maximum.accumulate(ends)[:-1]
    return is_start


def _kinds(text: str) -> NDArray[np.uint8]:
    """Kind of each character, one more at the end; a joining one has that of its base."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    kinds = np.append(_kind_table()[points], np.uint8(_OTHER))
    bases = np.where(kinds == _JOINING, 0, np.arange(len(kinds)))
    return kinds[np.maximum.accumulate(bases)]


def _next_false(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the first false flag at or after each; the last flag must be false."""
    places = np.where(flags, len(flags) - 1, np.arange(len(flags)))
    return np.minimum.accumulate(places[::-1])[::-1]


@cache
def _kind_table() -> NDArray[np.uint8]:
    """Kind of every Unicode character, 1.1 MB."""
    return np.fromiter((_kind(chr(point)) for point in range(sys.maxunicode + 1)), np.uint8)


def _kind(character: str) -> int:
    if character.isspace():
        return _SPACE
    if character.isalnum():
        return _ALPHANUMERIC
    category = unicodedata.category(character)
    return _JOINING if category == "Cf" or category[0] == "M" else _OTHER

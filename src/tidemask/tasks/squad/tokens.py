"""Texts as tokens with their places in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.words.white_space import is_white_space

Ints = NDArray[np.int64]

_CHUNK_TEXTS = 1000
"""Number of texts that are tokenised at once; offsets as Python's tuples are large."""


def encoded(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> Iterator[tuple[list[int], Ints]]:
    """Ids of each text, without special tokens, and the text that each claims: [tokens, 2].

    Letters that spell a special token are text, as in pre-training.

    No token claims white space at its ends, which some tokenizers count to a word; one that is
    white space only claims nothing.
    """
    encoder = CorpusTokenizer(tokenizer).encoder()
    for start in range(0, len(texts), _CHUNK_TEXTS):
        some = list(texts[start : start + _CHUNK_TEXTS])
        for text, tokens in zip(some, encoder.encode(some), strict=True):
            yield tokens.ids.tolist(), _trimmed(text, tokens.starts, tokens.ends)


def _trimmed(text: str, starts: NDArray[np.int32], ends: NDArray[np.int32]) -> Ints:
    """Offsets without white space at the ends; those of white space alone become empty."""
    # For every place in the text: where the next word begins, from there on, and where the last
    # word ends, up to there. A token begins at the former and ends at the latter.
    places = np.arange(len(text) + 1)
    is_space = is_white_space(text)
    next_word = np.minimum.accumulate(np.where(is_space, len(text), places)[::-1])[::-1]
    after_word = np.maximum.accumulate(np.where(np.roll(is_space, 1), 0, places))
    begin = np.minimum(next_word[starts], ends)
    return np.stack([begin, np.maximum(after_word[ends], begin)], axis=1)

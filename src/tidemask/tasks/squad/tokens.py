"""Texts as tokens with their places in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from tidemask.corpus.tokenizing.space_marks import claimed_spans, is_white_space, mark_table

Ints = NDArray[np.int64]

_CHUNK_TEXTS = 1000
"""Number of texts that are tokenised at once; offsets as Python's tuples are large."""


def encoded(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> Iterator[tuple[list[int], Ints]]:
    """Ids of each text, without special tokens, and the text that each claims: [tokens, 2].

    No token claims white space at its ends, which some tokenizers count to a word; one that is
    white space only claims nothing.
    """
    marks = mark_table(tokenizer.backend_tokenizer)
    for start in range(0, len(texts), _CHUNK_TEXTS):
        some = list(texts[start : start + _CHUNK_TEXTS])
        batch = tokenizer(
            some,
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # that a text is longer than a model takes is what windows are for
        )
        rows = zip(some, batch["input_ids"], batch["offset_mapping"], strict=True)
        for text, ids, offsets in rows:
            starts, ends = np.array(offsets, np.int32).reshape(-1, 2).T
            yield ids, _trimmed(text, *claimed_spans(text, starts, ends, marks[ids]))


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

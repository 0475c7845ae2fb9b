"""Text as tokens with their places in it, and how a tokenizer joins two texts to one sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

Ints = NDArray[np.int64]

_CHUNK_TEXTS = 1000
"""Number of texts that are tokenised at once; offsets as Python's tuples are large."""


@dataclass(frozen=True)
class PairLayout:
    """How a tokenizer joins two texts: the special tokens around them, and the token types.

    It is found by an example, so that any fast tokenizer will do. For one that knows the tokens
    [CLS] and [SEP] but adds none, the layout is that of BERT.
    """

    left: tuple[int, ...]
    middle: tuple[int, ...]
    right: tuple[int, ...]
    types: tuple[int, ...]
    """Token types of left, question, middle, context and right."""
    null_position: int
    """Position of the [CLS] token; 0 if the tokenizer adds none in front."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> PairLayout:
        """The layout of a fast tokenizer."""
        # A short pair shows it: tokens of neither text are special, and the two texts separate
        # those before, between and after them.
        pair = tokenizer("a", "a", return_token_type_ids=True)
        ids, types, text = pair["input_ids"], pair["token_type_ids"], pair.sequence_ids(0)
        begins = [text.index(part) for part in (0, 1)]
        ends = [begin + text.count(part) for part, begin in enumerate(begins)]
        bounds = [0, begins[0], ends[0], begins[1], ends[1], len(ids)]
        left, cls_id, sep_id = ids[: begins[0]], tokenizer.cls_token_id, tokenizer.sep_token_id
        has_none = len(ids) == text.count(0) + text.count(1)
        if has_none and cls_id is not None and sep_id is not None:
            return cls((cls_id,), (sep_id,), (sep_id,), types=(0, 0, 0, 1, 1), null_position=0)
        return cls(
            left=tuple(left),
            middle=tuple(ids[ends[0] : begins[1]]),
            right=tuple(ids[ends[1] :]),
            types=tuple(types[begin] if end > begin else 0 for begin, end in pairwise(bounds)),
            null_position=left.index(cls_id) if cls_id in left else 0,
        )

    @property
    def num_special(self) -> int:
        """Number of special tokens of a sequence."""
        return len(self.left) + len(self.middle) + len(self.right)

    def joined(self, question: list[int], context: list[int]) -> tuple[list[int], list[int]]:
        """Ids and token types of a sequence."""
        parts = (list(self.left), question, list(self.middle), context, list(self.right))
        ids = [token for part in parts for token in part]
        kinds = zip(self.types, parts, strict=True)
        return ids, [kind for kind, part in kinds for _ in part]


def encoded(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Ids and offsets of each text, without special tokens; some texts at a time."""
    for start in range(0, len(texts), _CHUNK_TEXTS):
        batch = tokenizer(
            list(texts[start : start + _CHUNK_TEXTS]),
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # that a text is longer than a model takes is what windows are for
        )
        yield from zip(batch["input_ids"], batch["offset_mapping"], strict=True)


def trimmed(text: str, offsets: list[tuple[int, int]]) -> Ints:
    """Offsets without white space at the ends, which some tokenizers count to a word: [tokens, 2].

    Offsets of white space alone become empty.
    """
    # For every place in the text: where the next word begins, from there on, and where the last
    # word ends, up to there. A token begins at the former and ends at the latter.
    spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    places = np.arange(len(text) + 1)
    is_space = np.array([character.isspace() for character in text] + [False])
    next_word = np.minimum.accumulate(np.where(is_space, len(text), places)[::-1])[::-1]
    after_word = np.maximum.accumulate(np.where(np.roll(is_space, 1), 0, places))
    begin = np.minimum(next_word[spans[:, 0]], spans[:, 1])
    end = np.maximum(after_word[spans[:, 1]], begin)
    return np.stack([begin, end], axis=1)
